using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary><c>A^T</c>.</summary>
public sealed class TransposedOperator(LinearOperator a) : LinearOperator(a.Columns, a.Rows, a.IsSymmetric, a.DType, a.Device)
{
    /// <inheritdoc/>
    public override double? ExactTrace => a.ExactTrace;

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => a.ApplyTranspose(V);

    /// <inheritdoc/>
    protected override Tensor MultiplyTranspose(Tensor U) => a.Apply(U);
}
