using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary><c>c A</c>.</summary>
public sealed class ScaledOperator(double c, LinearOperator a) : LinearOperator(a.Rows, a.Columns, a.IsSymmetric, a.DType, a.Device)
{
    /// <inheritdoc/>
    public override double? ExactTrace => c * a.ExactTrace;

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => a.Apply(V).mul_(c);

    /// <inheritdoc/>
    protected override Tensor MultiplyTranspose(Tensor U) => a.ApplyTranspose(U).mul_(c);

    /// <inheritdoc/>
    private protected override Tensor Forms(Tensor V, ParameterSpace? blocks) => FormsOf(a, V, blocks).mul_(c);
}
