using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Bench.Networks;

/// <summary>
/// Six 3 x 3 convolutions (16, then 32 channels) with batch norm and two residual connections on 3 x 32 x 32 images: 28,698 parameters,
/// many passes over large activations.
/// </summary>
internal sealed class ResidualNetwork : nn.Module<Tensor, Tensor>
{
    private readonly ConvolutionAndNorm stem = new(3, 16);
    private readonly ConvolutionAndNorm wide1 = new(16, 16);
    private readonly ConvolutionAndNorm wide2 = new(16, 16);
    private readonly ConvolutionAndNorm down = new(16, 32, stride: 2);
    private readonly ConvolutionAndNorm deep1 = new(32, 32);
    private readonly ConvolutionAndNorm deep2 = new(32, 32);
    private readonly Linear head = nn.Linear(32, 10);

    public ResidualNetwork()
        : base(nameof(ResidualNetwork)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        Tensor x = nn.functional.relu(stem.call(input));
        x = nn.functional.relu(x + wide2.call(nn.functional.relu(wide1.call(x))));
        x = nn.functional.relu(down.call(x));
        x = nn.functional.relu(x + deep2.call(nn.functional.relu(deep1.call(x))));
        return head.call(x.mean([2, 3]));
    }
}
