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

    /// <summary>Whether the number was asked for by name: more than there are is then an error, and otherwise all that there are.</summary>
    public bool CountIsAsked { get; init; }

    /// <summary>How many there are to find in a matrix of so many rows.</summary>
    public int CountOf(long rows) => (int)Math.Min(Count, rows);

    /// <summary>Krylov vectors that the solver keeps of a matrix of so many rows where there is room.</summary>
    public long UsualBasis(long rows) => 4L * Count >= rows ? rows : Math.Max(40, (2L * Count) + 20);

    /// <summary>About how many products it takes, where one eigenvalue takes <paramref name="each"/>.</summary>
    public int Products(long rows, int each)
    {
        long usual = Math.Min(Options.MaxProducts, each * (3L + CountOf(rows)));
        return (int)(Solver == Default && UsualBasis(rows) >= rows ? Math.Min(usual, rows + CountOf(rows)) : usual); // a basis of the whole space ends the search
    }

    /// <summary>Refuses more of them than there are.</summary>
    public void Check(long rows)
    {
        if (CountIsAsked && Options.Count > rows)
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"--top {Options.Count}: expected at most {rows}, the number of parameters looked at, which is how many eigenvalues there are."));
        }
    }

    /// <summary>The solver with a number of products to spend on a matrix of so many rows, where there is room for <paramref name="vectors"/>.</summary>
    public IEigensolver With(int products, int vectors, long rows)
    {
        IEigensolver solver = KnownEigensolvers.Create(Solver, Options with { MaxProducts = products });
        return solver is LanczosEigensolver lanczos ? lanczos with { BasisSize = BasisSize(vectors, rows) } : solver;
    }

    /// <summary>Krylov vectors: the solver's own default (null), or fewer where those do not fit into memory.</summary>
    private int? BasisSize(int vectorsInMemory, long rows)
    {
        int least = CountOf(rows) + 3; // room to move beside the wanted ones
        long usual = UsualBasis(rows);
        return vectorsInMemory > 2 * usual ? null : Math.Max(least, vectorsInMemory / 2);
    }
}
