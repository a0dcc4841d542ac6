using Curvature.Quant.Quantizers;

namespace Curvature.Samples.Quantization;

/// <summary>How the weights are rounded.</summary>
/// <param name="Name">In results.</param>
/// <param name="Text">For the page.</param>
/// <param name="Quantizer">Of a width.</param>
internal sealed record WeightGrid(string Name, string Text, Func<int, Quantizer> Quantizer)
{
    /// <summary>The first is what the sensitivities are compared with.</summary>
    public static IReadOnlyList<WeightGrid> All { get; } =
    [
        new("min-max", "symmetric, a grid for each output channel, up to the channel's largest weight (HAWQ's)", Quant.Quantizers.Quantizer.HawqWeights),
        new("least-squares", "the same up to the share of it that leaves the least squared error", bits => Quant.Quantizers.Quantizer.HawqWeights(bits) with { Range = new LeastSquaresRange() }),
    ];
}
