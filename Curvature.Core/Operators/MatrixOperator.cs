using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>A dense matrix as an operator.</summary>
public sealed class MatrixOperator : LinearOperator
{
    private readonly Tensor _a;

    /// <param name="a">The entries, <c>[rows, columns]</c>; cloned. Symmetric where it equals its transpose exactly.</param>
    /// <exception cref="CurvatureException">Not a matrix.</exception>
    public MatrixOperator(Tensor a) : base(Dimension(a, 0), Dimension(a, 1), EqualsItsTranspose(a), a.dtype, a.device) =>
        _a = a.detach().clone().DetachFromDisposeScope();

    /// <inheritdoc/>
    public override double? ExactTrace => Rows == Columns ? _a.diagonal().sum(ScalarType.Float64).ToDouble() : null;

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => _a.mm(V);

    /// <inheritdoc/>
    protected override Tensor MultiplyTranspose(Tensor U) => _a.t().mm(U);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _a.Dispose();
        base.Dispose(disposing);
    }

    private static long Dimension(Tensor a, int d) =>
        a.dim() == 2 ? a.shape[d] : throw new CurvatureException($"A matrix has two dimensions; got shape [{string.Join(", ", a.shape)}].");

    private static bool EqualsItsTranspose(Tensor a)
    {
        using Tensor transposed = a.t();
        return a.shape[0] == a.shape[1] && a.Equals(transposed);
    }
}
