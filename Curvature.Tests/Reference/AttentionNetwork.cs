using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Reference;

/// <summary>A one-layer language model: embedding, masked attention, GELU, layer norm, the embedding again as head. Tokens <c>[N, T]</c> to <c>[N, V, T]</c>.</summary>
internal sealed class AttentionNetwork : nn.Module<Tensor, Tensor>
{
    public const long Symbols = 4, Positions = 3, Width = 3;

    private readonly Embedding symbols = nn.Embedding(Symbols, Width, dtype: ScalarType.Float64).to(Here);
    private readonly Linear query = nn.Linear(Width, Width, hasBias: false, dtype: ScalarType.Float64).to(Here);
    private readonly Linear key = nn.Linear(Width, Width, hasBias: false, dtype: ScalarType.Float64).to(Here);
    private readonly Linear value = nn.Linear(Width, Width, dtype: ScalarType.Float64).to(Here);
    private readonly LayerNorm norm = nn.LayerNorm(Width, dtype: ScalarType.Float64).to(Here);

    public AttentionNetwork() : base("attention") => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        Tensor x = symbols.call(input);
        Tensor scores = query.call(x).bmm(key.call(x).transpose(1, 2)).div(Math.Sqrt(Width));
        Tensor future = ones(Positions, Positions, ScalarType.Bool, device: Here).triu(1);
        Tensor mixed = scores.masked_fill(future, double.NegativeInfinity).softmax(2).bmm(value.call(x));
        x = norm.call(x.add(nn.functional.gelu(mixed)));
        return x.reshape(-1, Width).mm(symbols.weight!.t()).reshape(input.shape[0], Positions, Symbols).transpose(1, 2);
    }
}
