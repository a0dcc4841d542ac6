using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Checkpoints;

/// <summary>
/// The 64-32-10 perceptron of the demo, for 8 x 8 digits with ink scaled to [0, 1]: <c>fc2 tanh(fc1 x)</c>, 2,410 parameters. tanh,
/// because its Hessian is smooth.
/// </summary>
public sealed class DigitsMlp : nn.Module<Tensor, Tensor>
{
    private readonly Linear fc1 = nn.Linear(64, 32);
    private readonly Linear fc2 = nn.Linear(32, 10);

    /// <summary>Random initial weights from the global generator.</summary>
    public DigitsMlp() : base(nameof(DigitsMlp)) => RegisterComponents();

    /// <summary>Class scores (logits).</summary>
    /// <param name="input"><c>[B, 64]</c>.</param>
    /// <returns><c>[B, 10]</c>.</returns>
    public override Tensor forward(Tensor input)
    {
        using Tensor sum = fc1.call(input);
        using Tensor hidden = sum.tanh();
        return fc2.call(hidden);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            fc1.Dispose();
            fc2.Dispose();
        }

        base.Dispose(disposing);
    }
}
