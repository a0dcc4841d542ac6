using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// A model's outputs z on one batch with the graph that leads to them, and products with the Jacobian <c>J = dz / dtheta</c>, without building J.
/// <c>J^T u</c> is a backward pass. <c>J v</c> is two (the double-backward trick): <c>g(w) = J^T w</c> is linear in w, so <c>d (g . v) / dw = J v</c>, whatever w
/// is; its graph is made once, at w = 0, and kept beside that of z.
/// </summary>
internal sealed class OutputGraph : IDisposable
{
    private readonly IReadOnlyList<Tensor> _parameters;
    private readonly Tensor _w;
    private readonly Tensor?[] _pullback;

    /// <param name="outputs">z with its graph; detached from the current scope.</param>
    /// <param name="parameters">theta.</param>
    public OutputGraph(Tensor outputs, ParameterSpace parameters)
    {
        Outputs = outputs.DetachFromDisposeScope();
        _parameters = parameters.Parameters;
        _w = zeros_like(outputs).requires_grad_().DetachFromDisposeScope();
        _pullback = Gradients.Pullback(outputs, _w, _parameters);
        foreach (Tensor? part in _pullback)
        {
            part?.DetachFromDisposeScope();
        }
    }

    /// <summary>z.</summary>
    public Tensor Outputs { get; }

    /// <summary><c>J v</c> of the outputs' shape, null where identically zero; a new tensor of the current scope.</summary>
    public Tensor? Push(IReadOnlyList<Tensor> v) => Gradients.VectorJacobianProduct(_pullback, v, [_w])[0];

    /// <summary><c>J^T u</c>, one part per parameter, null where identically zero.</summary>
    public Tensor?[] Pull(Tensor u) => Gradients.VectorJacobianProduct([Outputs], [u], _parameters);

    public void Dispose()
    {
        foreach (Tensor? part in _pullback)
        {
            part?.Dispose();
        }

        _w.Dispose();
        Outputs.Dispose();
    }
}
