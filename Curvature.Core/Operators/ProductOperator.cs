using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary><c>A B</c>: first B, then A. Symmetric only where A is B and symmetric.</summary>
public sealed class ProductOperator : LinearOperator
{
    private readonly LinearOperator _a;
    private readonly LinearOperator _b;

    /// <summary>The operands must fit and stay the caller's.</summary>
    public ProductOperator(LinearOperator a, LinearOperator b)
        : base(a.Rows, b.Columns, ReferenceEquals(a, b) && a.IsSymmetric, a.DType, a.Device)
    {
        if (a.Columns != b.Rows || a.DType != b.DType)
        {
            throw new CurvatureException($"Cannot multiply a {a.Rows} x {a.Columns} operator of {a.DType} by one of {b.Rows} x {b.Columns} of {b.DType}.");
        }

        (_a, _b) = (a, b);
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => _a.Apply(_b.Apply(V));

    /// <inheritdoc/>
    protected override Tensor MultiplyTranspose(Tensor U) => _b.ApplyTranspose(_a.ApplyTranspose(U));
}
