using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Bench.Networks;

/// <summary>
/// A character-level decoder of four pre-norm blocks, width 128, four heads, 64 positions, 64 symbols: 817,920 parameters.
/// Tokens <c>[B, 64]</c> (int64) give next-symbol scores <c>[B, 64 (symbol), 64 (position)]</c>.
/// </summary>
internal sealed class Transformer : nn.Module<Tensor, Tensor>
{
    public const int Width = 128, Heads = 4, Positions = 64, Symbols = 64, Depth = 4;

    private readonly Embedding symbols = nn.Embedding(Symbols, Width);
    private readonly Embedding positions = nn.Embedding(Positions, Width);
    private readonly Sequential blocks = nn.Sequential(Enumerable.Range(0, Depth).Select(_ => new TransformerBlock()).ToArray());
    private readonly LayerNorm norm = nn.LayerNorm(Width);
    private readonly Linear head = nn.Linear(Width, Symbols, hasBias: false);
    private readonly Tensor places = arange(Positions);

    public Transformer()
        : base(nameof(Transformer)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        Tensor x = blocks.call(symbols.call(input) + positions.call(places));
        return head.call(norm.call(x)).transpose(1, 2);
    }
}
