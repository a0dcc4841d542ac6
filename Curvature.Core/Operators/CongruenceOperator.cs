using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// <c>S^T A S</c> for symmetric A, symmetric too and with A's signs of eigenvalues: what A becomes in coordinates <c>x = S y</c>. With <c>S = P^{-1/2}</c> it has the eigenvalues of
/// <c>P^{-1} A</c>, the curvature that an optimizer with preconditioner P sees. A product costs one of A, one of S and one of its transpose.
/// </summary>
public sealed class CongruenceOperator : LinearOperator
{
    private readonly LinearOperator _a, _s;

    /// <param name="a">A, symmetric; stays the caller's.</param>
    /// <param name="s">S, with as many rows as A; stays the caller's.</param>
    /// <exception cref="CurvatureException">A is not symmetric, or the shapes or dtypes do not fit.</exception>
    public CongruenceOperator(LinearOperator a, LinearOperator s) : base(s.Columns, s.Columns, isSymmetric: true, a.DType, a.Device)
    {
        if (!a.IsSymmetric || a.Columns != s.Rows || a.DType != s.DType)
        {
            throw new CurvatureException(
                $"S^T A S takes a symmetric A and an S of as many rows; got A [{a.Rows}, {a.Columns}] of {a.DType}{(a.IsSymmetric ? "" : ", not symmetric,")} and S [{s.Rows}, {s.Columns}] of {s.DType}.");
        }

        (_a, _s) = (a, s);
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => _s.ApplyTranspose(_a.Apply(_s.Apply(V)));
}
