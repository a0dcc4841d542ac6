using Curvature.Cli.Output;
using Curvature.Estimators;
using Curvature.Sharpness;
using static TorchSharp.torch;

namespace Curvature.Cli.Work;

/// <summary>What is to be measured, and how well; a quantity that is null is left out.</summary>
internal sealed record Quantities
{
    // Seen on networks from 2,000 to 60,000 parameters; fresh starts and the last check included.
    private const int ProductsPerEigenvalue = 15;

    // What says how far estimates scatter.
    private const int FewestRuns = 2;

    public TraceWork? Trace { get; init; }

    public DiagonalWork? Diagonal { get; init; }

    public NormWork? Norm { get; init; }

    public LogDeterminant? LogDeterminant { get; init; }

    public EigenvalueWork? Eigenvalues { get; init; }

    public StochasticLanczosQuadrature? Density { get; init; }

    /// <summary>Where an optimizer stands.</summary>
    public StabilityStudy? Stability { get; init; }

    /// <summary>Eigenvalues by batch size.</summary>
    public BatchSizeStudy? BatchSizes { get; init; }

    /// <summary>Whether the Hessian is the only matrix that all of it is asked of.</summary>
    public bool IsOfHessianAlone => (Stability, BatchSizes, Landscape) is not (null, null, null);

    /// <summary>The share of the time that is planned beforehand; what is left is for the batch sizes, which are fitted into it.</summary>
    public double ShareOfTime => BatchSizes is null ? 1 : 0.5;

    /// <summary>Slices of the loss, in the time that all else leaves.</summary>
    public LandscapeWork? Landscape { get; init; }

    /// <summary>Also all eigenvalues of the dense matrix.</summary>
    public bool Exact { get; init; }

    /// <summary>Also of each layer's diagonal block.</summary>
    public bool PerLayer { get; init; }

    /// <summary>Where vectors over the parameters go; null: nowhere.</summary>
    public string? VectorFile { get; init; }

    /// <summary>Whether each layer's block is measured by products of its own.</summary>
    public bool MeasuresBlocks => PerLayer && Trace is not { GivesLayers: true } && Diagonal is null;

    /// <summary>Whether it comes from per-sample gradients, a backward pass for each output of the model, instead of products.</summary>
    public bool IsExact => Trace is { IsExact: true } || Diagonal is { IsExact: true };

    /// <summary>The same of a model; in the place of exact answers that need hooks, which TorchScript has not, the estimates of <c>hutchinson</c>.</summary>
    public Quantities Of(nn.Module model) => model is jit.ScriptModule && IsExact
        ? this with
        {
            Trace = Trace is { IsExact: true } trace ? trace with { Estimator = TraceWork.Default } : Trace,
            Diagonal = Diagonal is { IsExact: true } diagonal ? diagonal with { Estimator = DiagonalWork.Default } : Diagonal,
        }
        : this;

    /// <summary>The work this takes over all <paramref name="samples"/>, for P parameters.</summary>
    public WorkPlan Plan(long samples, long parameters)
    {
        ProbeWork probes = IsExact ? default : Trace?.Probes ?? Diagonal?.Probes ?? (Norm is { IsMadeOfProbes: true } frobenius ? frobenius.Probes : default);
        (int steps, int runs) =
            Density is { } density ? (density.Steps, density.Runs)
            : LogDeterminant is { Quadrature: var quadrature } ? (quadrature.Steps, quadrature.MaxRuns)
            : Norm is { IsMadeOfProbes: false } norm ? (norm.Steps, norm.Runs)
            : (0, 0);
        return new WorkPlan(
            samples,
            IsExact ? 1 : probes.For(parameters), // one pass, as dear as the outputs are many
            (Eigenvalues?.Products(parameters, ProductsPerEigenvalue) ?? 0) + StabilityProducts,
            (int)Math.Min(steps, parameters),
            runs);
    }

    /// <summary>About what a stability study takes: an eigenvalue, another one for an adaptive rule, and with a batch size a trace and three passes.</summary>
    private int StabilityProducts => Stability is not { } study ? 0
        : (ProductsPerEigenvalue * 4 * (study.Setting.Rule.IsAdaptive ? 2 : 1)) + (study.Setting.BatchSize is null ? 0 : study.Probes + 6);

    /// <summary>A plan with less, where memory holds no more than <paramref name="vectors"/> of P entries.</summary>
    public WorkPlan WithinMemory(WorkPlan plan, int vectors)
    {
        bool keepsVectors = Trace is { GivesLayers: false } || Diagonal is { KeepsVectors: true };
        WorkPlan fitting = plan.WithinMemory(vectors);
        return fitting with
        {
            Probes = keepsVectors ? Math.Min(plan.Probes, ProbeWork.Within(vectors)) : plan.Probes,
            Runs = Math.Min(plan.Runs, Math.Max(fitting.Runs, Density is null ? FewestRuns : 1)),
        };
    }

    /// <summary>A plan in words: "64 probes, 100 steps x 8 runs, about 390 products for eigenvalues".</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="blocks">Layers that the same is done for.</param>
    /// <param name="outputs">Backward passes of an exact answer; 0 for estimates.</param>
    public static string Describe(WorkPlan plan, int blocks, int outputs)
    {
        string?[] parts =
        [
            Format.Count(plan.Samples, "sample"),
            outputs > 0 ? Format.Count(outputs, "backward pass", "backward passes") : plan.Probes > 0 ? Format.Count(plan.Probes, "probe") : null,
            plan.Runs > 0 ? Format.Count(plan.Steps, "step") + (plan.Runs > 1 ? $" x {plan.Runs} runs" : "") : null,
            plan.EigenProducts > 0 ? $"some {plan.EigenProducts} products for eigenvalues" : null,
            blocks > 0 ? $"for the whole and for each of {Format.Count(blocks, "layer")}" : null,
        ];
        return string.Join(", ", parts.OfType<string>());
    }
}
