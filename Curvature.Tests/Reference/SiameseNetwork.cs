using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Reference;

/// <summary>One layer for both halves of an input, of which the difference counts: <c>B tanh(A x - A y)</c>.</summary>
internal sealed class SiameseNetwork : nn.Module<Tensor, Tensor>
{
    private readonly Linear twin = nn.Linear(4, 3, dtype: ScalarType.Float64).to(Here), head = nn.Linear(3, 2, dtype: ScalarType.Float64).to(Here);

    public SiameseNetwork() : base("siamese") => RegisterComponents();

    public override Tensor forward(Tensor input) => head.call(twin.call(input.narrow(-1, 0, 4)).sub(twin.call(input.narrow(-1, 4, 4))).tanh());
}
