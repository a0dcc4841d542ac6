using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples.Study;

/// <summary>
/// A character-level decoder of two pre-norm blocks, width 64, four heads, 64 positions. Symbols <c>[B, T]</c> (int64, T up to 64) give next-symbol scores
/// <c>[B, symbols, T]</c>; 116,576 parameters for 96 symbols.
/// </summary>
internal sealed class CharTransformer : nn.Module<Tensor, Tensor>
{
    public const int Width = 64, Heads = 4, Positions = 64;

    private readonly Embedding symbols;
    private readonly Embedding positions = nn.Embedding(Positions, Width);
    private readonly CharBlock block1 = new();
    private readonly CharBlock block2 = new();
    private readonly LayerNorm norm = nn.LayerNorm(Width);
    private readonly Linear head;

    /// <param name="symbolCount">How many different symbols there are.</param>
    public CharTransformer(int symbolCount) : base(nameof(CharTransformer))
    {
        (symbols, head) = (nn.Embedding(symbolCount, Width), nn.Linear(Width, symbolCount));
        RegisterComponents();

        // The default, normal numbers of variance 1, drowns what the blocks add.
        using IDisposable noGrad = no_grad();
        symbols.weight!.mul_(0.1);
        positions.weight!.mul_(0.1);
    }

    public override Tensor forward(Tensor input)
    {
        using Tensor places = arange(input.shape[1]);
        Tensor x = symbols.call(input) + positions.call(places);
        return head.call(norm.call(block2.call(block1.call(x)))).transpose(1, 2);
    }
}
