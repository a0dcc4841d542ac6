using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Reference;

/// <summary>The difference of two layers, <c>A x - B x</c>: nothing curves along directions that are the same in both.</summary>
internal sealed class DifferenceNetwork : nn.Module<Tensor, Tensor>
{
    private readonly Linear plus = nn.Linear(4, 2, dtype: ScalarType.Float64).to(Here), minus = nn.Linear(4, 2, dtype: ScalarType.Float64).to(Here);

    public DifferenceNetwork() : base("difference") => RegisterComponents();

    public override Tensor forward(Tensor input) => plus.call(input).sub(minus.call(input));
}
