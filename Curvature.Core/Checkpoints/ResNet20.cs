using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Checkpoints;

/// <summary>
/// A residual network of 20 layers for 1 x 28 x 28 images (He, Zhang, Ren, Sun 2016, Deep Residual Learning for Image Recognition, section 4.2, which has 3 x 32 x 32): a convolution, three stages of
/// three blocks of two, and a linear layer, with batch norm after every convolution. So that one CPU thread trains it in minutes, channels are 8, 16 and 32, half of the paper's, and the first
/// convolution has stride 2; where the shape changes, the shortcut is a convolution of 1 x 1 with batch norm (the paper's option B; on CIFAR-10 it had zeros). Names are torchvision's
/// (<c>layer2.0.downsample.0</c>); 68,642 parameters.
/// </summary>
public sealed class ResNet20 : nn.Module<Tensor, Tensor>
{
    private const long Width = 8;

    private readonly Conv2d conv1 = Convolution(1, Width, 3, stride: 2);
    private readonly BatchNorm2d bn1 = nn.BatchNorm2d(Width);
    private readonly Sequential layer1 = Stage(Width, Width, stride: 1);
    private readonly Sequential layer2 = Stage(Width, 2 * Width, stride: 2);
    private readonly Sequential layer3 = Stage(2 * Width, 4 * Width, stride: 2);
    private readonly Linear fc = nn.Linear(4 * Width, 10);

    /// <summary>Random initial weights from the global generator: convolutions normal with variance <c>2 / (C_out kH kW)</c> (He et al. 2015), as there.</summary>
    public ResNet20() : base(nameof(ResNet20))
    {
        RegisterComponents();
        using IDisposable noGrad = no_grad();
        foreach (Conv2d convolution in modules().OfType<Conv2d>())
        {
            convolution.weight.normal_(0, Math.Sqrt(2.0 * convolution.weight.shape[1] / convolution.weight.numel()));
        }
    }

    /// <summary>Class scores (logits).</summary>
    /// <param name="input"><c>[B, 1, 28, 28]</c>.</param>
    /// <returns><c>[B, 10]</c>.</returns>
    public override Tensor forward(Tensor input)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = bn1.call(conv1.call(input)).relu();
        x = layer3.call(layer2.call(layer1.call(x)));
        return fc.call(x.mean([2, 3])).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            foreach (nn.Module part in (nn.Module[])[conv1, bn1, layer1, layer2, layer3, fc])
            {
                part.Dispose();
            }
        }

        base.Dispose(disposing);
    }

    private static Sequential Stage(long inputs, long outputs, long stride) =>
        nn.Sequential(new Block(inputs, outputs, stride), new Block(outputs, outputs, stride: 1), new Block(outputs, outputs, stride: 1));

    private static Conv2d Convolution(long inputs, long outputs, long side, long stride) => nn.Conv2d(inputs, outputs, side, stride: stride, padding: side / 2, bias: false);

    /// <summary><c>relu(bn2(conv2(relu(bn1(conv1(x))))) + x)</c>, with a convolution in the place of the last x where the shape changes.</summary>
    private sealed class Block : nn.Module<Tensor, Tensor>
    {
        private readonly Conv2d conv1;
        private readonly BatchNorm2d bn1;
        private readonly Conv2d conv2;
        private readonly BatchNorm2d bn2;
        private readonly Sequential? downsample;

        public Block(long inputs, long outputs, long stride) : base(nameof(Block))
        {
            (conv1, bn1) = (Convolution(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs));
            (conv2, bn2) = (Convolution(outputs, outputs, 3, stride: 1), nn.BatchNorm2d(outputs));
            downsample = inputs == outputs ? null : nn.Sequential(Convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor x = bn1.call(conv1.call(input)).relu();
            x = bn2.call(conv2.call(x));
            return x.add(downsample?.call(input) ?? input).relu().MoveToOuterDisposeScope();
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                foreach (nn.Module? part in (nn.Module?[])[conv1, bn1, conv2, bn2, downsample])
                {
                    part?.Dispose();
                }
            }

            base.Dispose(disposing);
        }
    }
}
