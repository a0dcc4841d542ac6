using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// One call <c>o = B(W, a) + b</c> of a bilinear layer, at fixed a and W. All results are new tensors of the current scope, without graph.
/// </summary>
/// <param name="input">a, without graph; disposed with the call.</param>
/// <param name="weight">The position of W among the parameters; -1 where it is a constant.</param>
/// <param name="bias">The position of b; -1 where there is none or it is a constant.</param>
internal abstract class BilinearCall(Tensor input, int weight, int bias) : IDisposable
{
    /// <summary>a.</summary>
    public Tensor Input => input;

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

    /// <summary>The tangents <c>o' = B(W, a') + B(V, a) + v</c> of k directions.</summary>
    /// <param name="tangent">a', <c>[k, a...]</c>; null: zero.</param>
    /// <param name="V">The directions in W, <c>[k, W...]</c>; null: zero.</param>
    /// <param name="v">The directions in b, <c>[k, b...]</c>; null: zero.</param>
    /// <returns>Null where all are zero.</returns>
    public abstract BilinearTangents? Push(Tensor? tangent, Tensor? V, Tensor? v);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the call holds.</summary>
    protected virtual void Dispose(bool disposing) => input.Dispose();
}
