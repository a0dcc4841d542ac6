using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Reference;

/// <summary>An autoencoder whose decoder is the encoder's transpose: <c>W^T tanh(W x)</c>.</summary>
internal sealed class TiedNetwork : nn.Module<Tensor, Tensor>
{
    private readonly Linear encoder = nn.Linear(4, 3, hasBias: false, dtype: ScalarType.Float64).to(Here);

    public TiedNetwork() : base("tied") => RegisterComponents();

    public override Tensor forward(Tensor input) => encoder.call(input).tanh().mm(encoder.weight!);
}
