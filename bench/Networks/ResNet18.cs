using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Bench.Networks;

/// <summary>
/// ResNet-18 (He, Zhang, Ren and Sun 2016) with the stem for small images: a 3 x 3 convolution and no pooling, then four stages of two blocks of <c>width</c> channels, 2, 4 and 8 times as many. Of width 64 with ten
/// classes: 11,173,962 parameters.
/// </summary>
internal sealed class ResNet18 : nn.Module<Tensor, Tensor>
{
    private readonly ConvolutionAndNorm stem;
    private readonly Sequential stages;
    private readonly Linear head;

    public ResNet18(long width = 64)
        : base(nameof(ResNet18))
    {
        stem = new(3, width);
        stages = nn.Sequential(Enumerable.Range(0, 8).Select(i => new ResidualBlock(width << (Math.Max(i - 1, 0) / 2), width << (i / 2), i is 2 or 4 or 6 ? 2 : 1)).ToArray());
        head = nn.Linear(8 * width, 10);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => head.call(stages.call(nn.functional.relu(stem.call(input))).mean([2, 3]));

    /// <summary>Two convolutions and what goes around them.</summary>
    private sealed class ResidualBlock : nn.Module<Tensor, Tensor>
    {
        private readonly ConvolutionAndNorm first;
        private readonly ConvolutionAndNorm second;
        private readonly nn.Module<Tensor, Tensor> around;

        public ResidualBlock(long inputs, long outputs, long stride)
            : base(nameof(ResidualBlock))
        {
            (first, second) = (new(inputs, outputs, stride), new(outputs, outputs));
            around = inputs == outputs ? nn.Identity() : new ConvolutionAndNorm(inputs, outputs, stride, size: 1);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => nn.functional.relu(second.call(nn.functional.relu(first.call(input))) + around.call(input));
    }
}
