using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>
/// What a weight multiplies: inputs <c>a_nt</c> of samples n at positions t (pixels, tokens, calls), in K groups that have a matrix each. With the outputs' gradients
/// g <c>[N, K, out, T]</c> sample n's gradient is the matrix <c>sum_t g_nt a_nt^T</c> of each group.
/// </summary>
internal abstract class LayerInputs
{
    /// <summary>Entries that the matrices of a stretch of samples may take together.</summary>
    private const long Stretch = 1 << 23;

    /// <summary>N.</summary>
    public abstract long Samples { get; }

    /// <summary>Positions of a sample, T.</summary>
    public abstract long Positions { get; }

    /// <summary>Keeps, in the caller's scope, what is otherwise made anew each time: where many g are to come.</summary>
    public virtual void Keep()
    {
    }

    /// <summary><c>sum_nt w_nt a_nt a_nt^T</c> for weights w of 0 and 1, <c>[N, K, T]</c>: <c>[K, in, in]</c>, or its diagonal <c>[K, in]</c> where it is diagonal.</summary>
    public abstract Tensor Moment(Tensor w);

    /// <summary>The matrices of samples <c>first .. first + count - 1</c> in the weight's own order, <c>[count, K, rows, columns]</c>.</summary>
    public abstract Tensor Gradients(Tensor g, long first, long count);

    /// <summary>The sum of those matrices over all samples, <c>[K, rows, columns]</c>.</summary>
    public virtual Tensor GradientSum(Tensor g) => SumOver(g, X => X.sum(dim: 0));

    /// <summary><c>sum_n X_n^2</c> entry by entry over those matrices, <c>[K, rows, columns]</c>.</summary>
    public virtual Tensor SquaredGradients(Tensor g) => SumOver(g, X => X.square().sum(dim: 0));

    /// <summary>The sum over stretches of samples of a function of their matrices <c>[count, K, rows, columns]</c>, in the caller's scope.</summary>
    public Tensor SumOver(Tensor g, Func<Tensor, Tensor> function)
    {
        using DisposeScope scope = NewDisposeScope();
        long stretch = Math.Clamp(Stretch / MatrixEntries(g.shape[2]), 1, Samples);
        Tensor? sum = null;
        for (long first = 0; first < Samples; first += stretch)
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor part = function(Gradients(g, first, Math.Min(stretch, Samples - first)));
            sum = sum?.add_(part) ?? part.MoveToOuterDisposeScope();
        }

        return sum!.MoveToOuterDisposeScope();
    }

    /// <summary>Entries of one sample's matrices.</summary>
    protected abstract long MatrixEntries(long outputs);

    /// <summary>The inputs <c>U^T a</c> in another basis U <c>[K, in, in]</c>; null: the present one.</summary>
    public abstract LayerInputs Rotated(Tensor? U);

    /// <summary>These inputs and those of further calls, as more positions.</summary>
    public abstract LayerInputs Joined(IEnumerable<LayerInputs> others);
}
