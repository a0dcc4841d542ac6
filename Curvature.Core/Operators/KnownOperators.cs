using Curvature.Objectives;

namespace Curvature.Operators;

/// <summary>The catalogue of curvature matrices by name. A new one is one file and one line here.</summary>
public static class KnownOperators
{
    private static readonly Dictionary<string, Func<Objective, CurvatureOptions?, int, CurvatureOperator>> Catalogue = new(StringComparer.Ordinal)
    {
        ["hessian"] = (objective, options, _) => new HessianOperator(objective, options),
        ["ggn"] = (objective, options, _) => new GgnOperator(objective, options),
        ["fisher"] = (objective, options, seed) => new FisherOperator(objective, samplesPerInput: 1, seed, options),
        ["empirical-fisher"] = (objective, options, _) => new EmpiricalFisherOperator(objective, options),
        ["gradient-covariance"] = (objective, options, _) => new GradientCovarianceOperator(objective, options),
        ["finite-difference-hessian"] = (objective, options, _) => new FiniteDifferenceHessianOperator(objective, options),
    };

    /// <summary>All names, in the order of the documentation.</summary>
    public static IReadOnlyList<string> Names => [.. Catalogue.Keys];

    /// <summary>The matrix called <paramref name="name"/>; the caller's to dispose.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="objective">The loss; stays the caller's.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="seed">Of those that are drawn at random.</param>
    /// <exception cref="CurvatureException">An unknown name, or an objective that is not split where it must be.</exception>
    public static CurvatureOperator Create(string name, Objective objective, CurvatureOptions? options = null, int seed = 0) =>
        Catalogue.TryGetValue(name, out Func<Objective, CurvatureOptions?, int, CurvatureOperator>? create)
            ? create(objective, options, seed)
            : throw new CurvatureException($"Unknown matrix '{name}'. Expected one of: {string.Join(", ", Names)}.");
}
