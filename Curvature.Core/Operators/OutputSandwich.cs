using Curvature.Objectives;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// A batch's share <c>J^T C J</c> of a curvature matrix: J the Jacobian of the model's outputs, C a matrix in the outputs that is known by its
/// products. A product costs <c>J v</c>, <c>C u</c> and <c>J^T u</c> on kept graphs.
/// </summary>
internal sealed class OutputSandwich : BatchLinearization
{
    private readonly OutputGraph _jacobian;
    private readonly OutputCurvature _curvature;
    private readonly Tensor[] _gradients;

    private OutputSandwich(OutputGraph jacobian, OutputCurvature curvature, IEnumerable<Tensor> gradients)
    {
        _jacobian = jacobian;
        _curvature = curvature;
        _gradients = [.. gradients.Select(g => g.DetachFromDisposeScope())];
    }

    /// <summary>C is the loss's Hessian, or, where <paramref name="gradients"/> are given, <c>sum_g sum_s g_s g_s^T</c> over them and their samples s.</summary>
    /// <param name="batch">With model and loss apart.</param>
    /// <param name="parameters">theta.</param>
    /// <param name="extensions">For <c>J v</c> by forward mode, or null.</param>
    /// <param name="gradients">Makes output gradients from the loss's curvature.</param>
    public static OutputSandwich Of(ObjectiveBatch batch, ParameterSpace parameters, IEngineExtensions? extensions, Func<OutputCurvature, IEnumerable<Tensor>>? gradients = null)
    {
        SplitBatch split = batch.Split ?? throw new CurvatureException($"Batch {batch.Index} of a split objective came without its split.");
        (Tensor outputs, Tensor targets) = split.Evaluate();
        OutputCurvature curvature = split.Loss.CurvatureAt(outputs, targets, batch.Weight);
        return new OutputSandwich(new OutputGraph(split, outputs, parameters, extensions), curvature, gradients?.Invoke(curvature) ?? []);
    }

    public override bool CanBeKept => _jacobian.CanBeKept;

    public override IReadOnlyList<Tensor?> Apply(IReadOnlyList<Tensor> v)
    {
        if (_jacobian.Push(v) is not { } u)
        {
            return new Tensor?[v.Count];
        }

        return _jacobian.Pull(Middle(u));
    }

    protected override void Dispose(bool disposing)
    {
        _jacobian.Dispose();
        _curvature.Dispose();
        foreach (Tensor g in _gradients)
        {
            g.Dispose();
        }

        base.Dispose(disposing);
    }

    private Tensor Middle(Tensor u)
    {
        if (_gradients.Length == 0)
        {
            return _curvature.Product(u);
        }

        Tensor sum = _curvature.OuterProduct(_gradients[0], u);
        foreach (Tensor g in _gradients.AsSpan(1))
        {
            using Tensor product = _curvature.OuterProduct(g, u);
            sum.add_(product);
        }

        return sum;
    }
}
