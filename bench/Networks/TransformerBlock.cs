using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Bench.Networks;

/// <summary>Causal self-attention written from linear layers (so that each can be hooked), then a GELU feed-forward of four times the width.</summary>
internal sealed class TransformerBlock : nn.Module<Tensor, Tensor>
{
    private const int Width = Transformer.Width, Heads = Transformer.Heads, Positions = Transformer.Positions;

    private readonly LayerNorm norm1 = nn.LayerNorm(Width);
    private readonly Linear query = nn.Linear(Width, Width);
    private readonly Linear key = nn.Linear(Width, Width);
    private readonly Linear value = nn.Linear(Width, Width);
    private readonly Linear output = nn.Linear(Width, Width);
    private readonly LayerNorm norm2 = nn.LayerNorm(Width);
    private readonly Linear expand = nn.Linear(Width, 4 * Width);
    private readonly Linear contract = nn.Linear(4 * Width, Width);
    private readonly Tensor future = ones(Positions, Positions, dtype: ScalarType.Bool).triu(1);

    public TransformerBlock()
        : base(nameof(TransformerBlock)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        Tensor x = input + Attention(norm1.call(input));
        return x + contract.call(nn.functional.gelu(expand.call(norm2.call(x))));
    }

    private Tensor Attention(Tensor x)
    {
        // [B, T, d] -> [B, heads, T, d / heads]
        Tensor Split(Tensor y) => y.reshape(-1, Positions, Heads, Width / Heads).transpose(1, 2);

        Tensor scores = Split(query.call(x)).matmul(Split(key.call(x)).transpose(-2, -1)) / Math.Sqrt(Width / Heads);
        Tensor weights = scores.masked_fill(future, double.NegativeInfinity).softmax(-1);
        return output.call(weights.matmul(Split(value.call(x))).transpose(1, 2).reshape(-1, Positions, Width));
    }
}
