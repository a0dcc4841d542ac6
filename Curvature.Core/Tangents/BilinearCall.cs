using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// One call <c>o = B(W, a) + b</c> of a bilinear layer, at fixed a and W. All results are new tensors of the current scope, without graph.
/// </summary>
/// <param name="point">Where the graph is cut; disposed with the call.</param>
/// <param name="weight">The position of W among the parameters; -1 where it is a constant.</param>
/// <param name="bias">The position of b; -1 where there is none or it is a constant.</param>
internal abstract class BilinearCall(CutPoint point, int weight, int bias) : IDisposable
{
    /// <summary>Where the graph is cut: a, o and the layer's own graph between them.</summary>
    public CutPoint Point => point;

    /// <summary>The position of W among the parameters; -1 where it is a constant.</summary>
    public int Weight => weight;

    /// <summary>The position of b; -1 where there is none or it is a constant.</summary>
    public int Bias => bias;

    /// <summary><c>B(W, .)^T c</c> of k cotangents, <c>[k, a...]</c>.</summary>
    /// <param name="c">Cotangents of o, <c>[k, o...]</c>.</param>
    public abstract Tensor Pull(Tensor c);

    /// <summary>The gradient <c>B(., a)^T c</c> in W.</summary>
    /// <param name="c">A cotangent of o.</param>
    public abstract Tensor WeightGradient(Tensor c);

    /// <summary>The gradients in b of k cotangents, <c>[k, b...]</c>.</summary>
    /// <param name="c">Cotangents of o, <c>[k, o...]</c>.</param>
    public abstract Tensor BiasGradients(Tensor c);

    /// <summary>The tangents <c>o' = B(W, a') + B(V, a) + v</c> and what goes with them.</summary>
    public abstract BilinearTangents Push(TangentRequest of);

    /// <summary><see cref="Pull"/> and <see cref="WeightGradient"/> of one cotangent.</summary>
    /// <param name="c">A cotangent of o, <c>[1, o...]</c>.</param>
    /// <param name="intoInput">Whether the former is wanted.</param>
    public virtual (Tensor? Input, Tensor Weight) PullWithWeight(Tensor c, bool intoInput) => (intoInput ? Pull(c) : null, WeightGradient(c.squeeze(0)));

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the call holds.</summary>
    protected virtual void Dispose(bool disposing) => point.Dispose();
}
