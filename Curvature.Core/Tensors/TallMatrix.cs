using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tensors;

/// <summary>Orthonormal bases of a few long vectors.</summary>
internal static class TallMatrix
{
    /// <summary>
    /// An orthonormal basis of what the columns of <paramref name="y"/> add to the span of <paramref name="basis"/>: <c>[P, r]</c>, r from 0 to the
    /// number of columns, in the caller's scope. Projected and factored twice, because the first pass leaves rounding along the basis that
    /// the normalisation of a short remainder enlarges.
    /// </summary>
    /// <param name="y">Columns <c>[P, k]</c>, k at most P.</param>
    /// <param name="basis">Orthonormal rows <c>[l, P]</c>; l may be 0.</param>
    /// <param name="floor">Singular values of the remainder up to this length count as rounding, and their directions as absent.</param>
    /// <exception cref="NonFiniteException">An entry of <paramref name="y"/> is not finite.</exception>
    public static Tensor Orthonormalise(Tensor y, Tensor basis, double floor)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor once = Factor(Without(y, basis), floor);
        return Factor(Without(once, basis), 0.5).MoveToOuterDisposeScope();
    }

    private static Tensor Without(Tensor y, Tensor basis) => basis.shape[0] == 0 || y.shape[1] == 0 ? y : y.sub(basis.t().mm(basis.mm(y)));

    /// <summary><c>Y = Q R</c>, <c>R = U S V^T</c>: the columns of <c>Q U</c> whose singular value is above the floor.</summary>
    private static Tensor Factor(Tensor y, double floor)
    {
        if (y.shape[1] == 0)
        {
            return y;
        }

        (Tensor Q, Tensor R) = linalg.qr(y);
        if (!R.isfinite().all().ToBoolean())
        {
            throw new NonFiniteException(
                "A product with the operator is NaN or infinite. Check the operator's entries, or lower the scale of the problem.");
        }

        if (y.dtype != ScalarType.Float64)
        {
            // In float32 the factor of millions of rows is orthonormal to a few digits only; its Gram matrix in float64 mends it: Q <- Q L^-T.
            Tensor L = linalg.cholesky(Precision.Gram(Q, Q));
            Q = Q.mm(linalg.inv(L).t().to(Q.dtype, Q.device));
            R = L.t().mm(R.to(ScalarType.Float64).cpu());
        }

        (Tensor U, Tensor S, _) = linalg.svd(R.cpu(), fullMatrices: false);
        int rank = S.data<double>().ToArray().Count(s => s > floor);
        return rank == y.shape[1] ? Q : Q.mm(U.narrow(1, 0, rank).contiguous().to(Q.dtype, Q.device));
    }
}
