using Curvature.Cli.Output;
using Curvature.Estimators;
using Curvature.Krylov;

namespace Curvature.Cli.Work;

/// <summary>What is to be measured, and how well; a quantity that is null is left out.</summary>
internal sealed record Quantities
{
    // Seen on networks from 2,000 to 60,000 parameters; fresh starts and the last check included.
    private const int ProductsPerEigenvalue = 15;

    public HutchinsonTrace? Trace { get; init; }

    public LanczosEigensolver? Eigenvalues { get; init; }

    public StochasticLanczosQuadrature? Density { get; init; }

    /// <summary>Also all eigenvalues of the dense matrix.</summary>
    public bool Exact { get; init; }

    /// <summary>How many eigenvalues, both ends together.</summary>
    public int EigenvaluesWanted => Eigenvalues is null ? 0 : (Eigenvalues.Which == Spectrum.Both ? 2 : 1) * Eigenvalues.Count;

    /// <summary>The work this takes over all <paramref name="samples"/>, for P parameters.</summary>
    public WorkPlan Plan(long samples, long parameters) => new(
        samples,
        (int)Math.Min(Trace?.MaxProbes ?? 0, parameters),
        Math.Min(Eigenvalues?.MaxProducts ?? 0, ProductsPerEigenvalue * (3 + EigenvaluesWanted)),
        (int)Math.Min(Density?.Steps ?? 0, parameters),
        Density?.Runs ?? 0);

    /// <summary>Krylov vectors of the eigenvalue solver: its own default (null), or fewer where those do not fit into memory.</summary>
    public int? BasisSize(int vectorsInMemory)
    {
        int least = EigenvaluesWanted + 3; // room to move beside the wanted ones
        int usual = Math.Max(40, (2 * EigenvaluesWanted) + 20);
        return vectorsInMemory > 2 * usual ? null : Math.Max(least, vectorsInMemory / 2);
    }

    /// <summary>A plan in words: "64 probes, 100 steps x 8 runs, about 390 products for eigenvalues".</summary>
    public static string Describe(WorkPlan plan)
    {
        string?[] parts =
        [
            $"{Format.Count(plan.Samples)} samples",
            plan.Probes > 0 ? $"{Format.Count(plan.Probes)} probes" : null,
            plan.Runs > 0 ? $"{plan.Steps} steps x {plan.Runs} runs of the density" : null,
            plan.EigenProducts > 0 ? $"some {plan.EigenProducts} products for eigenvalues" : null,
        ];
        return string.Join(", ", parts.OfType<string>());
    }
}
