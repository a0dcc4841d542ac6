using Curvature.Cli.Output;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>Two lines through the checkpoint with their quadratic models and, if asked for, the plane that they span.</summary>
internal sealed record LandscapeWork
{
    public const string Random = "random", Eigenvectors = "eigenvectors";

    // What the quadratic models and eigenvectors come to in evaluations, seen on networks from 2,000 to 60,000 parameters.
    private const int Models = 20, Vectors = 200;

    // Fewer show no shape.
    private const int FewestSteps = 5;

    // Eigenvectors that have not converged by then are told of.
    private const int MostProducts = 200;

    /// <summary>One of the constants.</summary>
    public required string Directions { get; init; }

    /// <summary>Points along each direction, an odd number.</summary>
    public int Steps { get; init; } = 21;

    public double Range { get; init; } = 1;

    /// <summary>Whether the plane is wanted too.</summary>
    public bool HasPlane { get; init; } = true;

    public int Seed { get; init; }

    /// <summary>Points at which the loss is evaluated.</summary>
    public int Points => (2 * Steps) + (HasPlane ? Steps * Steps : 0);

    /// <summary>All of the work, in evaluations of the loss.</summary>
    public int Evaluations => Points + Models + (Directions == Eigenvectors ? Vectors : 0);

    /// <summary>The same with fewer points, where more evaluations than these are not affordable.</summary>
    public LandscapeWork Within(double evaluations) => Evaluations <= evaluations || Steps <= FewestSteps ? this : (this with { Steps = Steps - 2 }).Within(evaluations);

    /// <summary>Points on the line to another checkpoint where more than <paramref name="evaluations"/> are not affordable: fewer by fours, which keeps both ends of the usual range among them.</summary>
    public static int StepsWithin(int steps, double evaluations)
    {
        while (steps > evaluations && steps > FewestSteps)
        {
            steps = Math.Max(FewestSteps, steps - 4);
        }

        return steps;
    }

    /// <summary>Looks; products are kept in <paramref name="record"/>, losses are computed again.</summary>
    public LandscapeSummary Look(Objective objective, JobRecord? record, IProgress<ProductProgress> progress, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        LandscapeAxis axis = LandscapeAxis.Around(Range, Steps);
        using var computed = new HessianOperator(objective, new CurvatureOptions { Cancellation = cancellation, FiniteDifferenceFallback = true });
        LinearOperator hessian = record?.Of(computed, "landscape") ?? computed;
        using Eigenpairs? sharpest = Directions == Eigenvectors ? Sharpest(hessian, progress, cancellation) : null;
        (string Name, Tensor Vector)[] directions = sharpest is null ? Filters(objective) : [.. sharpest.Values.Select((pair, i) => ($"eigenvector, λ = {Format.Number(pair.Value)}", sharpest.Vectors.select(1, i)))];
        (string, LandscapeCurve)[] curves = [.. directions.Select(d => (d.Name, LandscapeCurve.Of(objective, d.Vector, axis, hessian, progress, cancellation)))];
        var landscape = new LandscapeSummary(
            Directions == Eigenvectors ? "distance along the eigenvector" : "multiples of the filters' own lengths",
            curves,
            HasPlane ? LandscapeSurface.Of(objective, directions[0].Vector, directions[1].Vector, axis, progress: progress, cancellation: cancellation) : null);
        return landscape with { Eigenvalues = sharpest?.Values ?? [], Products = hessian.Products };
    }

    private (string, Tensor)[] Filters(Objective objective) =>
        [.. Enumerable.Range(0, 2).Select(i => ($"random direction {i + 1}", LandscapeDirections.FilterNormalised(objective.Parameters, Seed, i)))];

    private Eigenpairs Sharpest(LinearOperator hessian, IProgress<ProductProgress> progress, CancellationToken cancellation)
    {
        if (hessian.Columns < 2)
        {
            throw new CurvatureException($"A single parameter has no two eigenvectors. Take the directions '{Random}'.");
        }

        return new LanczosEigensolver { Count = 2, Tolerance = 1e-3, MaxProducts = MostProducts, Seed = Seed }.Solve(hessian, progress, cancellation);
    }
}
