using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// <c>A (x) B</c>, <c>(A (x) B) vec(X) = vec(A X B^T)</c> with the row-major vec of X <c>[A.Columns, B.Columns]</c>: for a weight
/// <c>[out, in]</c>, A acts on the outputs and B on the inputs.
/// </summary>
public sealed class KroneckerOperator(LinearOperator a, LinearOperator b)
    : LinearOperator(a.Rows * b.Rows, a.Columns * b.Columns, a.IsSymmetric && b.IsSymmetric, a.DType, a.Device)
{
    /// <inheritdoc/>
    public override double? ExactTrace => a.ExactTrace * b.ExactTrace;

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => Product(V, a.Columns, b.Columns, a.Rows, b.Rows, a.Apply, b.Apply);

    /// <inheritdoc/>
    protected override Tensor MultiplyTranspose(Tensor U) => Product(U, a.Rows, b.Rows, a.Columns, b.Columns, a.ApplyTranspose, b.ApplyTranspose);

    private static Tensor Product(
        Tensor V, long p, long q, long rows, long columns, Func<Tensor, Tensor> left, Func<Tensor, Tensor> right)
    {
        long k = V.shape[1];
        Tensor AX = left(V.reshape(p, q * k)).reshape(rows, q, k);                      // A X, for each of the k matrices X
        Tensor AXB = right(AX.permute(1, 0, 2).reshape(q, rows * k)).reshape(columns, rows, k); // B (A X)^T
        return AXB.permute(1, 0, 2).reshape(rows * columns, k);
    }
}
