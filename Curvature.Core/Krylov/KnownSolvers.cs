namespace Curvature.Krylov;

/// <summary>The catalogue of linear solvers by name. A new solver is one file and one line here.</summary>
public static class KnownSolvers
{
    private static readonly Dictionary<string, Func<IterativeSolver>> Catalogue = new(StringComparer.Ordinal)
    {
        ["cg"] = () => new ConjugateGradient(),
        ["minres"] = () => new Minres(),
        ["lsmr"] = () => new Lsmr(),
        ["neumann"] = () => new NeumannSeries(),
    };

    /// <summary>All names, in the order of the documentation.</summary>
    public static IReadOnlyList<string> Names => [.. Catalogue.Keys];

    /// <summary>The solver called <paramref name="name"/>.</summary>
    /// <exception cref="CurvatureException">An unknown name.</exception>
    public static ILinearSolver Create(string name, LinearSolverOptions? options = null)
    {
        options ??= new LinearSolverOptions();
        return Catalogue.TryGetValue(name, out Func<IterativeSolver>? create)
            ? create() with { Tolerance = options.Tolerance, MaxProducts = options.MaxProducts }
            : throw new CurvatureException($"Unknown linear solver '{name}'. Expected one of: {string.Join(", ", Names)}.");
    }
}
