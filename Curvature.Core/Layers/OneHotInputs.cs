using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>Tokens: the unit vectors that an embedding multiplies. Its weight is <c>[in, out]</c>, a row a token, and second moments of the inputs are diagonal.</summary>
/// <param name="tokens">int64 <c>[N, T]</c>.</param>
/// <param name="symbols">How many tokens there are.</param>
internal sealed class OneHotInputs(Tensor tokens, long symbols) : LayerInputs
{
    public override long Samples => tokens.shape[0];

    public override long Positions => tokens.shape[1];

    public override Tensor Moment(Tensor w)
    {
        using DisposeScope scope = NewDisposeScope();
        return zeros([symbols], w.dtype, w.device).index_add_(0, tokens.reshape(-1), w.reshape(-1), 1).reshape(1, symbols).MoveToOuterDisposeScope();
    }

    public override Tensor Gradients(Tensor g, long first, long count)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = g.narrow(0, first, count).squeeze(1).transpose(1, 2); // [count, T, out]
        Tensor at = tokens.narrow(0, first, count).unsqueeze(2).repeat(1, 1, rows.shape[2]);
        return zeros([count, symbols, rows.shape[2]], g.dtype, g.device).scatter_add_(1, at, rows).unsqueeze(1).MoveToOuterDisposeScope();
    }

    protected override long MatrixEntries(long outputs) => symbols * outputs;

    public override LayerInputs Rotated(Tensor? U) => U is null ? this : throw new CurvatureException("Tokens have no other basis than their own.");

    public override LayerInputs Joined(IEnumerable<LayerInputs> others)
    {
        Tensor[] all = [tokens, .. others.Select(other => ((OneHotInputs)other).Tokens)];
        return all.Length == 1 ? this : new OneHotInputs(cat(all, 1), symbols);
    }

    private Tensor Tokens => tokens;
}
