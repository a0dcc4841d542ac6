using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Bench.Networks;

/// <summary>A convolution of odd size (3 x 3 unless told otherwise) without bias, then batch norm.</summary>
internal sealed class ConvolutionAndNorm : nn.Module<Tensor, Tensor>
{
    private readonly Conv2d convolution;
    private readonly BatchNorm2d norm;

    public ConvolutionAndNorm(long inputs, long outputs, long stride = 1, long size = 3)
        : base(nameof(ConvolutionAndNorm))
    {
        convolution = nn.Conv2d(inputs, outputs, size, stride: stride, padding: size / 2, bias: false);
        norm = nn.BatchNorm2d(outputs);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input) => norm.call(convolution.call(input));
}
