using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>
/// Measures one quantity after the other. What a stage took tells what a product really costs here, and the stages after it are fitted into
/// the time that is left.
/// </summary>
/// <param name="wanted">The quantities.</param>
/// <param name="plan">How much work they may take.</param>
/// <param name="cost">Cost of a product, as timed on one batch.</param>
/// <param name="secondsLeft">Time that is left for everything.</param>
/// <param name="progress">Told of every product.</param>
/// <param name="cancellation">Stops between two products.</param>
internal sealed class Stages(
    Quantities wanted,
    WorkPlan plan,
    ProductCost cost,
    Func<double> secondsLeft,
    IProgress<ProductProgress> progress,
    CancellationToken cancellation)
{
    // Shorter stages say more about warming up than about the machine.
    private const double Telling = 1;

    /// <summary>The plan as it was carried out.</summary>
    public WorkPlan Plan { get; private set; } = plan;

    /// <summary>Measures everything that is wanted.</summary>
    public SharpnessSummary Run(Objective objective, HessianOperator hessian)
    {
        var summary = new SharpnessSummary { Parameters = hessian.Rows, Loss = objective.Value(cancellation), GradientNorm = GradientNorm(objective) };
        summary = wanted.Trace is { } trace ? summary with { Trace = Measure(trace, hessian) } : summary;
        summary = wanted.Density is { } density ? summary with { Density = Measure(density, hessian) } : summary;
        if (wanted.Eigenvalues is { } eigenvalues)
        {
            using Eigenpairs pairs = Measure(eigenvalues, hessian);
            summary = summary with { Eigenvalues = pairs.Values, EigenvaluesAreComplete = pairs.IsComplete, EigenvalueRounding = pairs.Rounding };
        }

        return wanted.Exact ? DenseSpectrum.AddTo(summary, hessian, progress) : summary;
    }

    private TraceEstimate Measure(HutchinsonTrace trace, HessianOperator hessian)
    {
        double before = secondsLeft();
        TraceEstimate estimate = (trace with { MaxProbes = Plan.Probes }).Estimate(hessian, null, progress, cancellation);
        Calibrate(before - secondsLeft(), Plan.TraceSeconds(cost, estimate.Total.Products));
        Plan = ProductBudget.Fit(Plan with { Probes = 0 }, cost, secondsLeft(), samplesFixed: true) with { Probes = Plan.Probes };
        return estimate;
    }

    private SpectralDensity Measure(StochasticLanczosQuadrature density, HessianOperator hessian)
    {
        double before = secondsLeft();
        SpectralDensity estimate = (density with { Steps = Plan.Steps, Runs = Plan.Runs }).Estimate(hessian, progress, cancellation);
        Calibrate(before - secondsLeft(), Plan.DensitySeconds(cost));
        return estimate;
    }

    /// <summary>An iteration ends when it has converged: it may take what is left, and at least what was planned.</summary>
    private Eigenpairs Measure(LanczosEigensolver solver, HessianOperator hessian)
    {
        double another = cost.Seconds(Plan.Samples, passes: 2, vectors: 2) - cost.Seconds(Plan.Samples, passes: 1, vectors: 1);
        double affordable = ProductBudget.Fill * secondsLeft() / another;
        int least = Math.Min(Math.Max(Plan.EigenProducts, 3 * wanted.EigenvaluesWanted), solver.MaxProducts);
        return (solver with
        {
            MaxProducts = (int)Math.Clamp(affordable, least, solver.MaxProducts),
            BasisSize = wanted.BasisSize(ProductBudget.VectorsInMemory(hessian.Parameters)),
        }).Solve(hessian, progress, cancellation);
    }

    private void Calibrate(double seconds, double expected)
    {
        if (seconds > Telling)
        {
            cost = cost.Scaled(seconds / expected);
        }
    }

    private double GradientNorm(Objective objective)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor gradient = objective.Gradient(cancellation);
        return Math.Sqrt(gradient.dot(gradient).ToDouble());
    }
}
