using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Checkpoints;

/// <summary>
/// A LeNet-5 for 1 x 28 x 28 images (Y. LeCun and others, Proc. IEEE 86, 1998) with today's parts, ReLU and maximum pooling:
/// convolutions to 6 and 16 channels, then fully connected layers of 120, 84 and 10; 61,706 parameters.
/// </summary>
public sealed class LeNet : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d conv1 = nn.Conv2d(1, 6, 5, padding: 2);
    private readonly Conv2d conv2 = nn.Conv2d(6, 16, 5);
    private readonly Linear fc1 = nn.Linear(16 * 5 * 5, 120);
    private readonly Linear fc2 = nn.Linear(120, 84);
    private readonly Linear fc3 = nn.Linear(84, 10);

    /// <summary>Random initial weights from the global generator.</summary>
    public LeNet() : base(nameof(LeNet)) => RegisterComponents();

    /// <summary>Class scores (logits).</summary>
    /// <param name="input"><c>[B, 1, 28, 28]</c>.</param>
    /// <returns><c>[B, 10]</c>.</returns>
    public override Tensor forward(Tensor input)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = nn.functional.max_pool2d(conv1.call(input).relu(), 2);
        x = nn.functional.max_pool2d(conv2.call(x).relu(), 2);
        x = fc1.call(x.flatten(1)).relu();
        x = fc2.call(x).relu();
        return fc3.call(x).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            conv1.Dispose();
            conv2.Dispose();
            fc1.Dispose();
            fc2.Dispose();
            fc3.Dispose();
        }

        base.Dispose(disposing);
    }
}
