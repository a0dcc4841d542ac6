using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Bench.Networks;

/// <summary>A 3 x 3 convolution without bias, then batch norm.</summary>
internal sealed class ConvolutionAndNorm : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d convolution;
    private readonly BatchNorm2d norm;

    public ConvolutionAndNorm(long inputs, long outputs, long stride = 1)
        : base(nameof(ConvolutionAndNorm))
    {
        convolution = nn.Conv2d(inputs, outputs, 3, stride: stride, padding: 1, bias: false);
        norm = nn.BatchNorm2d(outputs);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => norm.call(convolution.call(input));
}
