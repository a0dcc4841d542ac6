using Curvature.Operators;

namespace Curvature.Krylov;

/// <summary>The catalogue of linear solvers by name. A new solver is one file and one line here.</summary>
public static class KnownSolvers
{
    private static readonly (KnownSolver About, Func<IterativeSolver> Make)[] Entries =
    [
        (new("cg", typeof(ConjugateGradient), "symmetric positive definite; takes a preconditioner", "Hestenes, Stiefel 1952", "a product a step; 5 vectors"),
            () => new ConjugateGradient()),
        (new("minres", typeof(Minres), "symmetric, indefinite or singular; takes a preconditioner", "Paige, Saunders 1975", "a product a step; 8 vectors"),
            () => new Minres()),
        (new("lsmr", typeof(Lsmr), "any, rectangular too; least squares with damping", "Fong, Saunders 2011", "two products a step, one with the transpose; 6 vectors"),
            () => new Lsmr()),
        (new("neumann", typeof(NeumannSeries), "eigenvalues between 0 and 2 / step", "Lorraine, Vicol, Duvenaud 2020", "a product a term; 4 vectors"),
            () => new NeumannSeries()),
    ];

    /// <summary>Every linear solver, in the order of the documentation.</summary>
    public static IReadOnlyList<KnownSolver> All { get; } = [.. Entries.Select(e => e.About)];

    /// <summary>The matrices that solvers make, for the documentation's table.</summary>
    public static IReadOnlyList<KnownOperator> Matrices { get; } =
    [
        new(null, typeof(InverseOperator), "`A⁻¹`, or the pseudo-inverse", null, "a solve: some dozens to thousands of A", "a linear solver that fits A"),
    ];

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Entries.Select(e => e.About.Name)];

    /// <summary>The solver called <paramref name="name"/>.</summary>
    /// <exception cref="CurvatureException">An unknown name.</exception>
    public static ILinearSolver Create(string name, LinearSolverOptions? options = null)
    {
        options ??= new LinearSolverOptions();
        return Array.Find(Entries, e => e.About.Name == name).Make is { } make
            ? make() with { Tolerance = options.Tolerance, MaxProducts = options.MaxProducts }
            : throw new CurvatureException($"Unknown linear solver '{name}'. Expected one of: {string.Join(", ", Names)}.");
    }

    /// <summary>The table of the documentation, in Markdown.</summary>
    public static string ToMarkdown() => KnownSolver.ToMarkdown("Linear solver", "For matrices", All);
}
