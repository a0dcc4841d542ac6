using Curvature.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// Factorisations of symmetric positive semi-definite matrices <c>[K, d, d]</c>, in their own dtype first and, where that fails or gives what is not finite, once more in float64.
/// What then still fails names the layer.
/// </summary>
internal static class Factorisation
{
    /// <summary><c>(S + diag(shift))^{-1}</c> by Cholesky; the caller's scope.</summary>
    /// <param name="S">The matrices.</param>
    /// <param name="shift">One number a matrix, <c>[K]</c>.</param>
    /// <param name="owner">The layer, for messages.</param>
    public static Tensor Inverse(Tensor S, Tensor shift, string owner) => Retried(S, owner, "inverse", matrices =>
    {
        Tensor damping = eye(S.shape[1], S.shape[1], matrices.dtype, matrices.device).mul(shift.to(matrices.dtype).reshape(-1, 1, 1));
        (Tensor L, Tensor info) = linalg.cholesky_ex(matrices.add(damping));
        return info.ne(0).any().ToBoolean() ? null : [L.cholesky_inverse()];
    })[0];

    /// <summary>Eigenvectors (columns) and eigenvalues, those below zero (rounding) raised to it; the caller's scope.</summary>
    /// <param name="S">The matrices.</param>
    /// <param name="owner">The layer, for messages.</param>
    public static (Tensor Vectors, Tensor Values) Eigen(Tensor S, string owner)
    {
        Tensor[] parts = Retried(S, owner, "eigendecomposition", matrices =>
        {
            (Tensor values, Tensor vectors) = linalg.eigh(matrices);
            return [vectors, values.relu()];
        });
        return (parts[0], parts[1]);
    }

    private static Tensor[] Retried(Tensor S, string owner, string what, Func<Tensor, Tensor[]?> factor)
    {
        using DisposeScope scope = NewDisposeScope();
        RequireFinite(S, owner);
        Tensor[]? parts = Attempt(S, factor) ?? (S.dtype == ScalarType.Float64 ? null : Attempt(S.to(ScalarType.Float64), factor));
        return parts is not null
            ? [.. parts.Select(part => part.to(S.dtype).MoveToOuterDisposeScope())]
            : throw new CurvatureException(
                $"The {what} of a Kronecker factor of '{owner}' failed in float64 too: the factor is not positive semi-definite to working precision. "
                + "Increase the damping, or gather the factors anew.");
    }

    /// <summary>Refuses a factor that is not finite.</summary>
    public static void RequireFinite(Tensor S, string owner)
    {
        if (!Finite.Everywhere(S))
        {
            throw new NonFiniteException(
                $"A Kronecker factor of '{owner}' is NaN or infinite. Look for extreme inputs or a diverged model; the factors from before can be loaded again.");
        }
    }

    private static Tensor[]? Attempt(Tensor S, Func<Tensor, Tensor[]?> factor)
    {
        try
        {
            return factor(S) is { } parts && parts.All(Finite.Everywhere) ? parts : null;
        }
        catch (System.Runtime.InteropServices.ExternalException)
        {
            return null; // the engine's own report of a factorisation that did not converge
        }
    }
}
