using System.Text;
using Curvature.Objectives;

namespace Curvature.Operators;

/// <summary>
/// The catalogue of matrices, for the command line, the documentation's table and the tests that hold for all: those that an objective defines, by name, then those that
/// need more. A new one is one file and one line here. Floors above have catalogues of their own: <c>KnownSolvers.Matrices</c>, <c>KnownApproximations</c>, <c>KnownInverses</c>.
/// </summary>
public static class KnownOperators
{
    private delegate CurvatureOperator Maker(Objective objective, CurvatureOptions? options, int seed, int samplesPerInput);

    private const string Split = "model and loss apart", Any = "any objective", Parts = "operators", One = "one of A";

    private static readonly (KnownOperator About, Maker Make)[] Entries =
    [
        (new("hessian", typeof(HessianOperator), "`Σ w_b d²l_b/dθ² / Σ w_b + λI`", "Pearlmutter 1994",
            "1.5 gradients (dense layers) to 2.5; a quadratic form 1.1 to 2.2", "a second derivative, or finite differences in its place"),
            (objective, options, _, _) => new HessianOperator(objective, options)),
        (new("ggn", typeof(GgnOperator), "`Σ w_b J_bᵀ (d²l_b/dz²) J_b / Σ w_b + λI`", "Schraudolph 2002",
            "1.2 gradients (dense layers) to 1.9 (convolutions)", Split),
            (objective, options, _, _) => new GgnOperator(objective, options)),
        (new("fisher", typeof(FisherOperator), "the same with `E[g gᵀ]` drawn in place of `d²l_b/dz²`", "Martens 2020", "as `ggn`", Split),
            (objective, options, seed, samples) => new FisherOperator(objective, samples, seed, options)),
        (new("empirical-fisher", typeof(EmpiricalFisherOperator), "`(1/M) Σ g_s g_sᵀ + λI` over samples s", "Kunstner, Balles, Hennig 2019", "as `ggn`", Split),
            (objective, options, _, _) => new EmpiricalFisherOperator(objective, options)),
        (new("gradient-covariance", typeof(GradientCovarianceOperator), "`Σ w_b g_b g_bᵀ / Σ w_b` over mini-batches b", "Thomas et al. 2020", "two passes over a vector for each batch", Any),
            (objective, options, _, _) => new GradientCovarianceOperator(objective, options)),
        (new("finite-difference-hessian", typeof(FiniteDifferenceHessianOperator), "the Hessian by central differences", "LeCun, Simard, Pearlmutter 1993", "2 gradients", Any),
            (objective, options, _, _) => new FiniteDifferenceHessianOperator(objective, options)),
    ];

    /// <summary>Every matrix of this floor, those with a name first.</summary>
    public static IReadOnlyList<KnownOperator> All { get; } =
    [
        .. Entries.Select(e => e.About),
        new(null, typeof(JacobianOperator), "`J = dz/dθ`, the outputs of all batches", "Townsend 2017", "0.6 to 0.9 gradients; its transpose 0.7", Split),
        new(null, typeof(ActivationHessianOperator), "`d²l/da²` in the outputs a of a layer, a block a sample", "Dong et al. 2020",
            "1 to 3 gradients of the layers above", "a C# model (hooks)"),
        new(null, typeof(DiagonalBlocksOperator), "A without what is between groups of rows", null, "a product of A a group", "groups, or layers"),
        new(null, typeof(SubmatrixOperator), "`A[rows, columns]`", null, One, "indices"),
        new(null, typeof(SumOperator), "`A + B`", null, "one of each", Parts),
        new(null, typeof(ProductOperator), "`A B`", null, "one of each", Parts),
        new(null, typeof(ScaledOperator), "`c A`", null, One, Parts),
        new(null, typeof(ShiftedOperator), "`A + c I`", null, One, Parts),
        new(null, typeof(TransposedOperator), "`Aᵀ`", null, "one of Aᵀ", Parts),
        new(null, typeof(GramOperator), "`AᵀA`", null, "one of A, one of Aᵀ", Parts),
        new(null, typeof(CongruenceOperator), "`SᵀAS`", null, "one of A, one of S, one of Sᵀ", "a symmetric A"),
        new(null, typeof(BlockDiagonalOperator), "`diag(A_1, ..., A_b)`", null, "one of each", Parts),
        new(null, typeof(KroneckerOperator), "`A ⊗ B`", null, "B.Columns of A, A.Rows of B", Parts),
        new(null, typeof(DiagonalOperator), "`diag(d)`", null, "a pass over the vector", "d"),
        new(null, typeof(LowRankOperator), "`U diag(s) Uᵀ`", null, "2 n r multiplications", "U, s"),
        new(null, typeof(JournalledOperator), "`A`, its products kept in a file", null, "one of A, or reading one", "A, a `ProductJournal`"),
        new(null, typeof(MatrixOperator), "`A`, its entries", null, "n² multiplications", "A"),
    ];

    /// <summary>The names, in the order of the documentation.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Entries.Select(e => e.About.Name!)];

    /// <summary>The matrix called <paramref name="name"/>; the caller's to dispose.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="objective">The loss; stays the caller's.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="seed">Of those that are drawn at random.</param>
    /// <param name="samplesPerInput">Targets that the Monte-Carlo Fisher matrix draws for each sample.</param>
    /// <exception cref="CurvatureException">An unknown name, or an objective that is not split where it must be.</exception>
    public static CurvatureOperator Create(string name, Objective objective, CurvatureOptions? options = null, int seed = 0, int samplesPerInput = 1) =>
        Array.Find(Entries, e => e.About.Name == name).Make is { } make
            ? make(objective, options, seed, samplesPerInput)
            : throw new CurvatureException($"Unknown matrix '{name}'. Expected one of: {string.Join(", ", Names)}.");

    /// <summary>The table of the documentation, in Markdown.</summary>
    /// <param name="more">Matrices of the floors above, for the rows below.</param>
    public static string ToMarkdown(params IEnumerable<KnownOperator> more)
    {
        StringBuilder text = new();
        text.Append("| Operator | By name | Matrix | After | A product costs | Needs |\n|---|---|---|---|---|---|\n");
        foreach (KnownOperator o in All.Concat(more))
        {
            string name = o.Name is null ? "" : $"`{o.Name}`";
            text.Append(FormattableString.Invariant($"| `{o.Type.Name}` | {name} | {o.Matrix} | {o.Paper} | {o.Cost} | {o.Needs} |\n"));
        }

        return text.ToString();
    }
}
