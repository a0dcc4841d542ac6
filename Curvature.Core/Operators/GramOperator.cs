using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary><c>A^T A</c>: symmetric, positive semidefinite, <c>[A.Columns, A.Columns]</c>. A product costs one with A and one with its transpose.</summary>
/// <param name="a">Any operator with a product of its transpose; stays the caller's.</param>
public sealed class GramOperator(LinearOperator a) : LinearOperator(a.Columns, a.Columns, isSymmetric: true, a.DType, a.Device)
{
    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => a.ApplyTranspose(a.Apply(V));
}
