using Curvature.Krylov;

namespace Curvature.Cli.Work;

/// <summary>Which eigenvalues are to be found, and how.</summary>
/// <param name="Solver">One of <see cref="KnownEigensolvers"/>.</param>
/// <param name="Options">What it is told.</param>
internal sealed record EigenvalueWork(string Solver, EigensolverOptions Options)
{
    public const string Default = "lanczos";

    /// <summary>How many, both ends together.</summary>
    public int Count => (Options.Which == Spectrum.Both ? 2 : 1) * Options.Count;

    /// <summary>The solver with a number of products to spend, where there is room for <paramref name="vectors"/>.</summary>
    public IEigensolver With(int products, int vectors)
    {
        IEigensolver solver = KnownEigensolvers.Create(Solver, Options with { MaxProducts = products });
        return solver is LanczosEigensolver lanczos ? lanczos with { BasisSize = BasisSize(vectors) } : solver;
    }

    /// <summary>Krylov vectors: the solver's own default (null), or fewer where those do not fit into memory.</summary>
    private int? BasisSize(int vectorsInMemory)
    {
        int least = Count + 3; // room to move beside the wanted ones
        int usual = Math.Max(40, (2 * Count) + 20);
        return vectorsInMemory > 2 * usual ? null : Math.Max(least, vectorsInMemory / 2);
    }
}
