using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples.Study;

/// <summary>
/// Causal self-attention by two matrix products and a softmax, which can be differentiated twice, and made of linear layers, which can be hooked; then a GELU feed-forward of
/// four times the width.
/// </summary>
internal sealed class CharBlock : nn.Module<Tensor, Tensor>
{
    private const int Width = CharTransformer.Width, Heads = CharTransformer.Heads;

    private readonly LayerNorm norm1 = nn.LayerNorm(Width);
    private readonly Linear query = nn.Linear(Width, Width);
    private readonly Linear key = nn.Linear(Width, Width);
    private readonly Linear value = nn.Linear(Width, Width);
    private readonly Linear output = nn.Linear(Width, Width);
    private readonly LayerNorm norm2 = nn.LayerNorm(Width);
    private readonly Linear expand = nn.Linear(Width, 4 * Width);
    private readonly Linear contract = nn.Linear(4 * Width, Width);

    public CharBlock() : base(nameof(CharBlock)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        Tensor x = input + Attention(norm1.call(input));
        return x + contract.call(nn.functional.gelu(expand.call(norm2.call(x))));
    }

    private Tensor Attention(Tensor x)
    {
        long length = x.shape[1];

        // [B, T, d] -> [B, heads, T, d / heads]
        Tensor Split(Tensor y) => y.reshape(-1, length, Heads, Width / Heads).transpose(1, 2);

        Tensor future = ones(length, length, dtype: ScalarType.Bool).triu(1);
        Tensor scores = Split(query.call(x)).matmul(Split(key.call(x)).transpose(-2, -1)) / Math.Sqrt(Width / Heads);
        Tensor weights = scores.masked_fill(future, double.NegativeInfinity).softmax(-1);
        return output.call(weights.matmul(Split(value.call(x))).transpose(1, 2).reshape(-1, length, Width));
    }
}
