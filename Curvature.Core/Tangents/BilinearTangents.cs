using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// What k directions do to one call <c>o = B(W, a) + b</c>: <c>o' = B(W, a') + B(V, a) + v</c>. With the cotangent c of o and its tangents c' the Hessian's product in W is
/// <c>(H v)_W = B(., a)^T c' + B(., a')^T c</c>, and so
/// <c>V . (H v)_W = B(V, a) . c' + a' . B(V, .)^T c</c>: no product of the weight's size.
/// </summary>
/// <param name="output">o', <c>[k, o...]</c>.</param>
/// <param name="moved"><c>B(V, a)</c>, <c>[k, o...]</c>; null where V is zero.</param>
internal abstract class BilinearTangents(Tensor output, Tensor? moved)
{
    /// <summary>o', <c>[k, o...]</c>.</summary>
    public Tensor Output => output;

    /// <summary><c>B(V, a)</c>, <c>[k, o...]</c>; null where V is zero.</summary>
    public Tensor? Moved => moved;

    /// <summary><c>B(V, .)^T c</c>, <c>[k, a...]</c>, a new tensor of the current scope; null where V is zero.</summary>
    /// <param name="c">The cotangent of o.</param>
    public abstract Tensor? PullDirections(Tensor c);
}
