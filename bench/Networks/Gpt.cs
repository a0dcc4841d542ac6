using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Bench.Networks;

/// <summary>The sizes of a <see cref="Gpt"/>.</summary>
/// <param name="Symbols">The vocabulary.</param>
/// <param name="Positions">The context.</param>
/// <param name="Width">Entries of a position.</param>
/// <param name="Heads">Of attention.</param>
/// <param name="Depth">Blocks.</param>
internal sealed record GptSize(long Symbols, long Positions, long Width, long Heads, int Depth)
{
    /// <summary>GPT-2's smallest (Radford et al. 2019): 124,439,808 parameters.</summary>
    public static GptSize Small { get; } = new(50_257, 1024, 768, 12, 12);
}

/// <summary>
/// A decoder of pre-norm blocks whose head is the embedding of its symbols. Attention is written as matrix products, which have second derivatives on every device.
/// Tokens <c>[B, T]</c> (int64) give next-symbol scores <c>[B, symbols, T]</c>.
/// </summary>
internal sealed class Gpt : nn.Module<Tensor, Tensor>
{
    private readonly Embedding symbols;
    private readonly Embedding positions;
    private readonly Sequential blocks;
    private readonly LayerNorm norm;

    public Gpt(GptSize size)
        : base(nameof(Gpt))
    {
        (symbols, positions) = (nn.Embedding(size.Symbols, size.Width), nn.Embedding(size.Positions, size.Width));
        blocks = nn.Sequential(Enumerable.Range(0, size.Depth).Select(_ => new GptBlock(size)).ToArray());
        norm = nn.LayerNorm(size.Width);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        Tensor places = arange(input.shape[1], ScalarType.Int64, input.device);
        Tensor x = norm.call(blocks.call(symbols.call(input) + positions.call(places)));
        return x.matmul(symbols.weight!.t()).transpose(1, 2);
    }

    /// <summary>Causal attention, then a GELU feed-forward of four times the width.</summary>
    private sealed class GptBlock : nn.Module<Tensor, Tensor>
    {
        private readonly LayerNorm norm1;
        private readonly Linear attend;
        private readonly Linear output;
        private readonly LayerNorm norm2;
        private readonly Linear expand;
        private readonly Linear contract;
        private readonly long heads;

        public GptBlock(GptSize size)
            : base(nameof(GptBlock))
        {
            (norm1, norm2, heads) = (nn.LayerNorm(size.Width), nn.LayerNorm(size.Width), size.Heads);
            (attend, output) = (nn.Linear(size.Width, 3 * size.Width), nn.Linear(size.Width, size.Width));
            (expand, contract) = (nn.Linear(size.Width, 4 * size.Width), nn.Linear(4 * size.Width, size.Width));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            Tensor x = input + Attention(norm1.call(input));
            return x + contract.call(nn.functional.gelu(expand.call(norm2.call(x))));
        }

        private Tensor Attention(Tensor x)
        {
            (long batch, long places, long width) = (x.shape[0], x.shape[1], x.shape[2]);
            Tensor all = attend.call(x);

            // [B, T, d] -> [B, heads, T, d / heads]
            Tensor Part(long i) => all.narrow(2, i * width, width).reshape(batch, places, heads, width / heads).transpose(1, 2);

            Tensor scores = Part(0).matmul(Part(1).transpose(-2, -1)) / Math.Sqrt(width / heads);
            Tensor future = ones(places, places, ScalarType.Bool, x.device).triu(1);
            return output.call(scores.masked_fill(future, double.NegativeInfinity).softmax(-1).matmul(Part(2)).transpose(1, 2).reshape(batch, places, width));
        }
    }
}
