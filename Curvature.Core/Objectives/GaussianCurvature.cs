using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>Curvature of the squared error, <c>h = 2 * share</c> for every entry; a sample is normal, <c>g = sqrt(h) N(0, 1)</c>.</summary>
/// <param name="loss">The squared error.</param>
/// <param name="outputs">z.</param>
/// <param name="targets">y.</param>
/// <param name="share">What an entry's term counts in the loss, the weight included.</param>
/// <param name="weight">The factor on the loss.</param>
internal sealed class GaussianCurvature(MeanSquaredError loss, Tensor outputs, Tensor targets, double share, double weight)
    : EntrywiseCurvature(loss, outputs, targets, full(1, 2 * share, outputs.dtype, outputs.device), weight)
{
    public override Tensor SampleGradient(SampleNoise noise)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor draw = noise.Normal(Outputs.shape, Outputs.device).mul_(Math.Sqrt(2 * share));
        return draw.to(Outputs.dtype).MoveToOuterDisposeScope();
    }
}
