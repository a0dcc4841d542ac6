using Curvature.Operators;
using Curvature.Quant.Planning;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// The mean square of the weight in place of the average trace, <c>|W_l|^2 / n_l |Q(W_l) - W_l|^2</c>: large weights are taken to matter, as in pruning by magnitude. A baseline that sees no data.
/// </summary>
public sealed record MagnitudeSensitivity : ISensitivity
{
    /// <inheritdoc/>
    public double? IncreaseFactor => null;

    /// <inheritdoc/>
    public LayerTable Measure(SensitivityProblem problem, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        double[] squares = [.. problem.Network.Layers.Select(layer => MeanSquare(layer.Weight))];
        return problem.Table((layer, l) => layer with { Sensitivity = problem.ByBits(b => squares[l] * problem.Errors.Squares[l, b]) });
    }

    private static double MeanSquare(Tensor weight)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        return weight.detach().to(ScalarType.Float64).square().mean().ToDouble();
    }
}
