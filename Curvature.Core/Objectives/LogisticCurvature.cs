using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>
/// Curvature of the binary cross-entropy of logits, <c>h = share * s (1 - s)</c> with the logistic s of z; a sample is <c>sqrt(share) (s - y)</c> with y = 1
/// drawn with probability s.
/// </summary>
internal sealed class LogisticCurvature : EntrywiseCurvature
{
    private readonly Tensor _s;
    private readonly double _share;

    private LogisticCurvature(BinaryCrossEntropy loss, Tensor outputs, Tensor targets, Tensor s, Tensor h, double share, double weight)
        : base(loss, outputs, targets, h, weight) => (_s, _share) = (s.DetachFromDisposeScope(), share);

    /// <param name="loss">The binary cross-entropy.</param>
    /// <param name="outputs">z.</param>
    /// <param name="targets">y.</param>
    /// <param name="share">What an entry's term counts in the loss, the weight included.</param>
    /// <param name="weight">The factor on the loss.</param>
    public static LogisticCurvature At(BinaryCrossEntropy loss, Tensor outputs, Tensor targets, double share, double weight)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor s = outputs.detach().sigmoid();

        // s (1 - s) = s(z) s(-z), which keeps its digits where s rounds to 1.
        return new LogisticCurvature(loss, outputs, targets, s, s.mul(outputs.detach().neg().sigmoid()).mul_(share), share, weight);
    }

    public override Tensor SampleGradient(SampleNoise noise)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor draw = noise.Uniform(_s.shape, _s.device);
        return _s.sub(draw.lt(_s).to(_s.dtype)).mul_(Math.Sqrt(_share)).MoveToOuterDisposeScope();
    }

    protected override void Dispose(bool disposing)
    {
        _s.Dispose();
        base.Dispose(disposing);
    }
}
