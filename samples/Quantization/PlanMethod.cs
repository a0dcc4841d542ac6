using Curvature.Quant.Sensitivity;

namespace Curvature.Samples.Quantization;

/// <summary>How a plan of the study is found.</summary>
/// <param name="Name">In results and on the page.</param>
/// <param name="Sensitivity">What it goes by: a name of <see cref="KnownSensitivities"/>.</param>
/// <param name="SeesPairs">Whether it counts the terms between layers too, which no sensitivity of a layer shows.</param>
/// <param name="Of">The method whose plan it takes, unless uniform bits are measurably better on training images; null: it makes its own.</param>
internal sealed record PlanMethod(string Name, string Sensitivity, bool SeesPairs = false, string? Of = null)
{
    // The largest eigenvalue of each layer's block takes some hundreds of products, and its authors choose bits from it by hand.
    private const string ByHand = "top-eigenvalue";

    /// <summary>Bits to choose from.</summary>
    public static IReadOnlyList<int> Bits { get; } = [2, 3, 4, 5, 6, 8];

    /// <summary>The sensitivities.</summary>
    public static IReadOnlyList<KnownSensitivity> Sensitivities { get; } = [.. KnownSensitivities.All.Where(known => known.Name != ByHand)];

    /// <summary>Each sensitivity's, and the one that sees pairs after its own; then those that are verified against uniform bits, as <c>curvature plan</c> does by default, which has further candidates.</summary>
    public static IReadOnlyList<PlanMethod> All { get; } =
    [
        .. Sensitivities.SelectMany(known => (PlanMethod[])(known.Type == typeof(QuadraticSensitivity)
            ? [new(known.Name, known.Name), new($"{known.Name}, pairs", known.Name, SeesPairs: true)]
            : [new(known.Name, known.Name)])),
        .. ((string[])["hessian", "exact", "quadratic"]).Select(name => new PlanMethod($"{name}, verified", name, Of: name)),
    ];
}
