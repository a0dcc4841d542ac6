using Curvature.Estimators;
using Curvature.Operators;
using Curvature.Sharpness;

namespace Curvature.Cli.Work;

/// <summary>Which norm is to be measured, and how.</summary>
internal sealed record NormWork
{
    /// <summary>The kinds, the default first.</summary>
    public static IReadOnlyList<string> Kinds { get; } = ["frobenius", "operator", "schatten"];

    public required string Kind { get; init; }

    /// <summary>Of a Schatten norm.</summary>
    public double Order { get; init; } = 1;

    /// <summary>Products of the Frobenius norm.</summary>
    public ProbeWork Probes { get; init; }

    /// <summary>Lanczos steps of the others.</summary>
    public int Steps { get; init; }

    /// <summary>Start vectors of a Schatten norm.</summary>
    public int Runs { get; init; }

    public double? Tolerance { get; init; }

    public int Seed { get; init; }

    public bool IsMadeOfProbes => Kind == "frobenius";

    /// <summary>Measures it with as much work as <paramref name="plan"/> says.</summary>
    public NormSummary Measure(LinearOperator a, WorkPlan plan, IProgress<ProductProgress> progress, CancellationToken cancellation)
    {
        int steps = (int)Math.Min(plan.Steps, a.Columns);
        switch (Kind)
        {
            case "frobenius":
                var frobenius = new FrobeniusNorm { MaxProbes = Math.Min(plan.Probes, Probes.For(a.Columns)), RelativeTolerance = Tolerance, Seed = Seed };
                return new NormSummary(Kind) { Estimate = frobenius.Estimate(a, progress, cancellation) };
            case "operator":
                return new NormSummary(Kind)
                {
                    Bound = new OperatorNorm { MaxSteps = steps, RelativeTolerance = Tolerance, Seed = Seed }.Estimate(a, progress, cancellation),
                };
            default:
                var quadrature = new FunctionTrace { Steps = steps, MaxRuns = plan.Runs, RelativeTolerance = Tolerance, Seed = Seed };
                FunctionEstimate schatten = new SchattenNorm { Order = Order, Quadrature = quadrature }.Estimate(a, progress, cancellation);
                return new NormSummary(FormattableString.Invariant($"schatten-{Order}")) { Estimate = schatten.Estimate, QuadratureError = schatten.QuadratureError };
        }
    }
}
