using Curvature.Objectives;
using Curvature.Operators;
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

    private const string Layer = "d_in d_out (d_in + d_out) a layer, no pass over the data", Model = "a C# model; model and loss apart";

    /// <summary>The matrices of this floor, inverses included, for the documentation's table.</summary>
    public static IReadOnlyList<KnownOperator> All { get; } =
    [
        new(null, typeof(KfacOperator), "`G ⊗ A` for each layer", "Martens, Grosse 2015", Layer, Model),
        new(null, typeof(EkfacOperator), "`(U_G ⊗ U_A) diag(d) (U_G ⊗ U_A)ᵀ` for each layer", "George et al. 2018", Layer, Model),
        new(null, typeof(NearestKronecker), "the `G ⊗ A` nearest to each layer's block", "Van Loan, Pitsianis 1993; Koroko et al. 2022", Layer, Model),
        new(null, typeof(DiagonalCurvatureOperator), "`diag(d)` for each layer", null, "a pass over the vector", "d"),
        new(null, typeof(KfacInverse), "`(B + λI)⁻¹` of one of these four", "Martens, Grosse 2015", Layer, "such an operator, a damping"),
        new(null, typeof(MkorInverse), "`L⁻¹ ⊗ R⁻¹` for each layer, from moving averages", "Mozaffari et al. 2023", Layer, "a vector a layer and side of each mini-batch"),
    ];

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
