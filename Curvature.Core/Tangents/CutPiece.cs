using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// A piece <c>a = f(x_1, x_2, ...)</c> of a graph that was cut, at a cotangent w of a: x are outputs of layers (leaves after the cut) and parameters that act between layers. It keeps the graph of f and that of its pullback
/// <c>g_s(x, w) = J_s^T w</c>, which is linear in w: one backward pass through the latter from tangents x' gives both
/// <c>d (g . x') / dw = J x' = a'</c> and <c>d (g . x') / dx = d^2 (w . f) / dx^2 x'</c>, what f's curvature adds to the cotangents' tangents.
/// </summary>
internal sealed class CutPiece : IDisposable
{
    private readonly Tensor _a;
    private readonly Tensor _w;
    private readonly Tensor[] _leaves;
    private readonly Tensor[] _pullback;

    private CutPiece(Tensor a, Tensor w, int[] sources, Tensor[] leaves, Tensor[] pullback) =>
        (_a, _w, Sources, _leaves, _pullback) = (a, w, sources, leaves, pullback);

    /// <summary>Which of all leaves x are.</summary>
    public IReadOnlyList<int> Sources { get; }

    /// <summary><c>J_s^T w</c>, the cotangents of x.</summary>
    public IReadOnlyList<Tensor> Cotangents => _pullback;

    /// <summary>Where f is computed.</summary>
    public Device Device => _a.device;

    /// <value>Whether f may have curvature along w (default true); false spares the zeros.</value>
    public bool IsCurved { get; set; } = true;

    /// <summary>
    /// Whether f has curvature at this place along w, a Boolean scalar in the caller's scope. Automatic differentiation gives exactly zero for what is piecewise linear, and a direction without structure finds any other second
    /// derivative.
    /// </summary>
    /// <param name="direction">Gives such a direction for a leaf.</param>
    public Tensor Curvature(Func<Tensor, Tensor> direction)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] curved = [.. Gradients.VectorJacobianProduct(_pullback, [.. _leaves.Select(direction)], _leaves).OfType<Tensor>().Select(h => h.ne(0).any())];
        return (curved.Length > 0 ? stack(curved).any() : zeros([], ScalarType.Bool, _a.device)).MoveToOuterDisposeScope();
    }

    /// <summary>The piece that leads to <paramref name="a"/>.</summary>
    /// <param name="a">With its graph; kept, as a handle of its own.</param>
    /// <param name="cotangent">w.</param>
    /// <param name="leaves">All leaves that it may lead back to; not owned.</param>
    public static CutPiece Of(Tensor a, Tensor cotangent, IReadOnlyList<Tensor> leaves)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable grad = enable_grad();
        Tensor end = a.alias(), w = cotangent.detach().requires_grad_();
        Tensor?[] g = Gradients.Pullback(end, w, leaves);
        int[] sources = [.. Enumerable.Range(0, leaves.Count).Where(s => g[s] is not null)];
        Tensor[] own = [.. sources.Select(s => leaves[s])], pullback = [.. sources.Select(s => g[s]!)];
        foreach (Tensor part in (Tensor[])[end, w, .. pullback])
        {
            part.DetachFromDisposeScope();
        }

        return new CutPiece(end, w, sources, own, pullback);
    }

    /// <summary>Of one direction: a', null where zero, and what curvature adds to the cotangents' tangents, null where zero.</summary>
    /// <param name="tangents">x', one a source; null: zero.</param>
    /// <param name="forward">Whether a' is wanted.</param>
    public (Tensor? Tangent, Tensor?[] Curvature) Push(IReadOnlyList<Tensor?> tangents, bool forward)
    {
        Tensor?[] curvature = new Tensor?[_leaves.Length];
        int[] live = [.. Enumerable.Range(0, tangents.Count).Where(s => tangents[s] is not null)];
        Tensor[] inputs = [.. forward ? [_w] : Array.Empty<Tensor>(), .. IsCurved ? _leaves : []];
        if (live.Length == 0 || inputs.Length == 0)
        {
            return (null, curvature);
        }

        Tensor?[] found = Gradients.VectorJacobianProduct([.. live.Select(s => _pullback[s])], [.. live.Select(s => tangents[s]!)], inputs);
        if (IsCurved)
        {
            found[^_leaves.Length..].CopyTo(curvature, 0);
        }

        return (forward ? found[0] : null, curvature);
    }

    /// <summary><c>J_s^T u</c> of each source, null where zero.</summary>
    public Tensor?[] Pull(Tensor u) => Gradients.VectorJacobianProduct([_a], [u], _leaves);

    public void Dispose()
    {
        _a.Dispose();
        _w.Dispose();
        foreach (Tensor part in _pullback)
        {
            part.Dispose();
        }
    }
}
