using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Quant.Quantizers;

/// <summary>
/// A batch norm in evaluation mode as part of the linear layer or convolution before it: with <c>f = gamma / sqrt(variance + eps)</c> a channel,
/// <c>W' = f W</c> and <c>b' = f (b - mean) + beta</c>, so that the folded layer alone gives what both gave.
/// </summary>
public static class BatchNormFolding
{
    /// <summary>Weight and bias of the folded layer, in the weight's dtype; computed in float64. The caller disposes both.</summary>
    /// <param name="weight"><c>[C_out, ...]</c>.</param>
    /// <param name="bias"><c>[C_out]</c>, or null for none.</param>
    /// <param name="norm">The batch norm after it, with running statistics over C_out channels.</param>
    /// <exception cref="CurvatureException">The norm has no running statistics, or another number of channels.</exception>
    public static (Tensor Weight, Tensor Bias) Fold(Tensor weight, Tensor? bias, BatchNorm norm)
    {
        if (norm.running_mean is not { } mean || norm.running_var is not { } variance)
        {
            throw new CurvatureException("The batch norm has no running statistics, so it is no fixed function of its input and cannot be folded. Make it with track_running_stats.");
        }

        if (mean.numel() != weight.shape[0])
        {
            throw new CurvatureException($"Expected a batch norm over the layer's {weight.shape[0]} outputs, got one over {mean.numel()}. Fold the norm that comes right after the layer.");
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor factor = variance.to(ScalarType.Float64).add(norm.eps).rsqrt();
        factor = norm.affine ? factor.mul(norm.weight.to(ScalarType.Float64)) : factor;
        Tensor shift = bias is null ? mean.to(ScalarType.Float64).neg() : bias.to(ScalarType.Float64).sub(mean.to(ScalarType.Float64));
        shift = shift.mul(factor);
        shift = norm.affine && norm.bias is { } beta ? shift.add(beta.to(ScalarType.Float64)) : shift;
        long[] channels = [weight.shape[0], .. Enumerable.Repeat(1L, (int)weight.dim() - 1)];
        Tensor folded = weight.detach().to(ScalarType.Float64).mul(factor.reshape(channels));
        return (folded.to(weight.dtype).MoveToOuterDisposeScope(), shift.detach().to(weight.dtype).MoveToOuterDisposeScope());
    }
}
