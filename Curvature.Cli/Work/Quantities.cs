using Curvature.Cli.Output;
using Curvature.Estimators;
using Curvature.Krylov;

namespace Curvature.Cli.Work;

/// <summary>What is to be measured, and how well; a quantity that is null is left out.</summary>
internal sealed record Quantities
{
    // Seen on networks from 2,000 to 60,000 parameters; fresh starts and the last check included.
    private const int ProductsPerEigenvalue = 15;

    public TraceWork? Trace { get; init; }

    public LanczosEigensolver? Eigenvalues { get; init; }

    public StochasticLanczosQuadrature? Density { get; init; }

    /// <summary>Also all eigenvalues of the dense matrix.</summary>
    public bool Exact { get; init; }

    /// <summary>Also of each layer's diagonal block.</summary>
    public bool PerLayer { get; init; }

    /// <summary>Where vectors over the parameters go; null: nowhere.</summary>
    public string? VectorFile { get; init; }

    /// <summary>Whether each layer's block is measured by products of its own.</summary>
    public bool MeasuresBlocks => PerLayer && Trace is not { GivesLayers: true };

    /// <summary>How many eigenvalues, both ends together.</summary>
    public int EigenvaluesWanted => Eigenvalues is null ? 0 : (Eigenvalues.Which == Spectrum.Both ? 2 : 1) * Eigenvalues.Count;

    /// <summary>The work this takes over all <paramref name="samples"/>, for P parameters.</summary>
    public WorkPlan Plan(long samples, long parameters) => new(
        samples,
        Trace?.ProductsFor(parameters) ?? 0,
        Math.Min(Eigenvalues?.MaxProducts ?? 0, ProductsPerEigenvalue * (3 + EigenvaluesWanted)),
        (int)Math.Min(Density?.Steps ?? 0, parameters),
        Density?.Runs ?? 0);

    /// <summary>A plan with less, where memory holds no more than <paramref name="vectors"/> of P entries.</summary>
    public WorkPlan WithinMemory(WorkPlan plan, int vectors)
    {
        WorkPlan fitting = plan.WithinMemory(vectors);
        return fitting with { Probes = Math.Min(fitting.Probes, Trace?.ProductsWithin(vectors) ?? 0) };
    }

    /// <summary>Krylov vectors of the eigenvalue solver: its own default (null), or fewer where those do not fit into memory.</summary>
    public int? BasisSize(int vectorsInMemory)
    {
        int least = EigenvaluesWanted + 3; // room to move beside the wanted ones
        int usual = Math.Max(40, (2 * EigenvaluesWanted) + 20);
        return vectorsInMemory > 2 * usual ? null : Math.Max(least, vectorsInMemory / 2);
    }

    /// <summary>A plan in words: "64 probes, 100 steps x 8 runs, about 390 products for eigenvalues".</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="blocks">Layers that the same is done for.</param>
    public static string Describe(WorkPlan plan, int blocks)
    {
        string?[] parts =
        [
            $"{Format.Count(plan.Samples)} samples",
            plan.Probes > 0 ? $"{Format.Count(plan.Probes)} probes" : null,
            plan.Runs > 0 ? $"{plan.Steps} steps x {plan.Runs} runs" : null,
            plan.EigenProducts > 0 ? $"some {plan.EigenProducts} products for eigenvalues" : null,
            blocks > 0 ? $"for the whole and for each of {blocks} layers" : null,
        ];
        return string.Join(", ", parts.OfType<string>());
    }
}
