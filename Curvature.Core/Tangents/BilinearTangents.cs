using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// What k directions do to one call <c>o = B(W, a) + b</c>: <c>o' = B(W, a') + B(V, a) + v</c>. With the cotangent c of o, known beforehand, and its tangents c' the Hessian's product in W is
/// <c>(H v)_W = B(., a)^T c' + B(., a')^T c</c>, and so <c>V . (H v)_W = B(V, a) . c' + a' . B(V, .)^T c</c>: no product of the weight's size. What c is in is made on the way forwards, so that a' need not be kept.
/// Whatever it holds is detached from every dispose scope.
/// </summary>
internal class BilinearTangents : IDisposable
{
    /// <param name="output">o', <c>[k, o...]</c>, in the current scope.</param>
    public BilinearTangents(Tensor output) => Output = output;

    /// <summary>o', <c>[k, o...]</c>, in the scope in which this was made.</summary>
    public Tensor Output { get; }

    /// <value><c>B(V, .)^T c</c>, <c>[k, a...]</c>; null where zero or not wanted.</value>
    public Tensor? Down { protected get; init => field = value?.alias().DetachFromDisposeScope(); }

    /// <value>For forms: <c>B(V, a)</c>, <c>[k, o...]</c>; null where V is zero.</value>
    public Tensor? Moved { protected get; init => field = value?.alias().DetachFromDisposeScope(); }

    /// <value>For forms: <c>a' . B(V, .)^T c</c>, <c>[k]</c> in float64; null where zero.</value>
    public Tensor? InputForms { get; init => field = value?.DetachFromDisposeScope(); }

    /// <value>For products, of one direction: <c>B(., a')^T c</c>, of W's shape; null where zero.</value>
    public Tensor? InputProduct { get; init => field = value?.DetachFromDisposeScope(); }

    /// <summary><c>B(V, .)^T c</c>, <c>[k, a...]</c>, a tensor of the current scope; null where zero or not wanted.</summary>
    public virtual Tensor? PullDirections() => Down?.alias();

    /// <summary><c>B(V, a) . c'</c>, <c>[k]</c> in float64, in the current scope; null where V is zero.</summary>
    /// <param name="c">c', <c>[k, o...]</c>.</param>
    public virtual Tensor? OutputForms(Tensor c) => Moved is null ? null : Forms.Of(Moved, c);

    public void Dispose()
    {
        Down?.Dispose();
        Moved?.Dispose();
        InputForms?.Dispose();
        InputProduct?.Dispose();
    }
}
