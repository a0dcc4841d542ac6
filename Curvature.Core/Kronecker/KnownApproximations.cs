using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>The catalogue of layer-wise approximations of the Gauss-Newton matrix by name. A new one is one file and one line here.</summary>
public static class KnownApproximations
{
    private static readonly Dictionary<string, Func<Objective, nn.Module, KfacOptions?, CancellationToken, LayerwiseOperator>> Catalogue = new(StringComparer.Ordinal)
    {
        ["kfac"] = (objective, model, options, cancellation) => KfacOperator.Of(objective, model, options, cancellation: cancellation),
        ["ekfac"] = (objective, model, options, cancellation) => EkfacOperator.Of(objective, model, options, cancellation: cancellation),
        ["nearest-kronecker"] = (objective, model, options, cancellation) => NearestKronecker.Of(objective, model, options, cancellation: cancellation),
    };

    /// <summary>All names, the cheapest first.</summary>
    public static IReadOnlyList<string> Names => [.. Catalogue.Keys];

    /// <summary>The approximation called <paramref name="name"/>; the caller's to dispose.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="objective">A split objective (<see cref="Objective.IsSplit"/>).</param>
    /// <param name="model">The model that it evaluates.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">An unknown name; else as <see cref="KfacFactors.Of"/>.</exception>
    public static LayerwiseOperator Create(string name, Objective objective, nn.Module model, KfacOptions? options = null, CancellationToken cancellation = default) =>
        Catalogue.TryGetValue(name, out Func<Objective, nn.Module, KfacOptions?, CancellationToken, LayerwiseOperator>? create)
            ? create(objective, model, options, cancellation)
            : throw new CurvatureException($"Unknown approximation '{name}'. Expected one of: {string.Join(", ", Names)}.");
}
