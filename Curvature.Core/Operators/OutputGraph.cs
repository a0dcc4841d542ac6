using Curvature.Objectives;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// A model's outputs z on one batch with the graph that leads to them, and products with the Jacobian <c>J = dz / dtheta</c>, without building J.
/// <c>J^T u</c> is a backward pass. <c>J v</c> is two (the double-backward trick): <c>g(w) = J^T w</c> is linear in w, so <c>d (g . v) / dw = J v</c>, whatever w
/// is; its graph is made once, at w = 0, and kept beside that of z.
/// <para>
/// For convolutions (a parameter of more than two dimensions), whose double backward costs several gradients, <c>J v</c> goes by forward mode where
/// the engine has it: one evaluation that carries tangents, and no second graph.
/// </para>
/// </summary>
internal sealed class OutputGraph : IDisposable
{
    private readonly SplitBatch _batch;
    private readonly IReadOnlyList<Tensor> _parameters;
    private IEngineExtensions? _forwardMode;
    private Tensor? _w;
    private Tensor?[] _pullback = [];

    /// <param name="batch">Evaluated again for each <c>J v</c> by forward mode.</param>
    /// <param name="outputs">z with its graph; detached from the current scope.</param>
    /// <param name="parameters">theta.</param>
    /// <param name="extensions">What the engine can do beyond TorchSharp, or null.</param>
    public OutputGraph(SplitBatch batch, Tensor outputs, ParameterSpace parameters, IEngineExtensions? extensions)
    {
        Outputs = outputs.DetachFromDisposeScope();
        _batch = batch;
        _parameters = parameters.Parameters;
        _forwardMode = _parameters.Any(p => p.dim() > 2) ? extensions : null;
        if (_forwardMode is null)
        {
            BuildPullback();
        }
    }

    /// <summary>z.</summary>
    public Tensor Outputs { get; }

    /// <summary>Whether products can be asked for after the pass over the data in which this was made.</summary>
    public bool CanBeKept => _forwardMode is null || _batch.Lasts;

    /// <summary><c>J v</c> of the outputs' shape, null where identically zero; a new tensor of the current scope.</summary>
    public Tensor? Push(IReadOnlyList<Tensor> v)
    {
        if (_forwardMode is { } engine)
        {
            int[] live = [.. Enumerable.Range(0, v.Count).Where(i => _parameters[i].requires_grad)];
            try
            {
                return engine.JacobianVectorProduct(() => _batch.Evaluate().Outputs, [.. live.Select(i => _parameters[i])], [.. live.Select(i => v[i])]);
            }
            catch (NotSupportedException)
            {
                _forwardMode = null; // an operator without a forward derivative: the other way has none missing
                BuildPullback();
            }
        }

        return Gradients.VectorJacobianProduct(_pullback, v, [_w!])[0];
    }

    /// <summary><c>J^T u</c>, one part per parameter, null where identically zero.</summary>
    public Tensor?[] Pull(Tensor u) => Gradients.VectorJacobianProduct([Outputs], [u], _parameters);

    public void Dispose()
    {
        foreach (Tensor? part in _pullback)
        {
            part?.Dispose();
        }

        _w?.Dispose();
        Outputs.Dispose();
    }

    private void BuildPullback()
    {
        _w = zeros_like(Outputs).requires_grad_().DetachFromDisposeScope();
        _pullback = Gradients.Pullback(Outputs, _w, _parameters);
        foreach (Tensor? part in _pullback)
        {
            part?.DetachFromDisposeScope();
        }
    }
}
