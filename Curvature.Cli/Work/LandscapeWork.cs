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

    /// <summary>Looks.</summary>
    public LandscapeSummary Look(Objective objective, IProgress<ProductProgress> progress, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        LandscapeAxis axis = LandscapeAxis.Around(Range, Steps);
        using var hessian = new HessianOperator(objective, new CurvatureOptions { Cancellation = cancellation, FiniteDifferenceFallback = true });
        (string Name, Tensor Vector)[] directions = Directions == Eigenvectors ? Sharpest(hessian, progress, cancellation) : Filters(objective);
        (string, LandscapeCurve)[] curves = [.. directions.Select(d => (d.Name, LandscapeCurve.Of(objective, d.Vector, axis, hessian, progress, cancellation)))];
        return new LandscapeSummary(
            Directions == Eigenvectors ? "distance along the eigenvector" : "multiples of the filters' own lengths",
            curves,
            HasPlane ? LandscapeSurface.Of(objective, directions[0].Vector, directions[1].Vector, axis, progress: progress, cancellation: cancellation) : null);
    }

    private (string, Tensor)[] Filters(Objective objective) =>
        [.. Enumerable.Range(0, 2).Select(i => ($"random direction {i + 1}", LandscapeDirections.FilterNormalised(objective.Parameters, Seed, i)))];

    private (string, Tensor)[] Sharpest(HessianOperator hessian, IProgress<ProductProgress> progress, CancellationToken cancellation)
    {
        if (hessian.Columns < 2)
        {
            throw new CurvatureException($"A single parameter has no two eigenvectors. Take the directions '{Random}'.");
        }

        using Eigenpairs pairs = new LanczosEigensolver { Count = 2, Tolerance = 1e-3, Seed = Seed }.Solve(hessian, progress, cancellation);
        return [.. Enumerable.Range(0, 2).Select(i => ($"eigenvector, λ = {Format.Number(pairs.Values[i].Value)}", pairs.Vectors.select(1, i).clone()))];
    }
}
