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

    /// <summary>
    /// The same for many matrices at the price of one host synchronisation: those of one size in one call. Where something fails, each by itself, so that the message names its layer.
    /// </summary>
    public static Tensor[] Inverses(IReadOnlyList<(Tensor S, Tensor Shift, string Owner)> problems)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] inverses = new Tensor[problems.Count];
        List<Tensor> signs = [];
        foreach (int[] alike in Enumerable.Range(0, problems.Count).GroupBy(i => problems[i].S.shape[1]).Select(g => g.ToArray()))
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor S = alike.Length == 1 ? problems[alike[0]].S.clone() : cat([.. alike.Select(i => problems[i].S)]);
            S.diagonal(0, 1, 2).add_(cat([.. alike.Select(i => problems[i].Shift)]).unsqueeze(1));
            (Tensor L, Tensor info) = linalg.cholesky_ex(S);
            Tensor all = L.cholesky_inverse();
            signs.Add(all.sum(ScalarType.Float64).add(info.ne(0).sum().to(ScalarType.Float64).mul(double.MaxValue).mul(2)).MoveToOuterDisposeScope());
            long first = 0;
            foreach (int i in alike)
            {
                long count = problems[i].S.shape[0];
                inverses[i] = (alike.Length == 1 ? all : all.narrow(0, first, count).clone()).MoveToOuterDisposeScope();
                first += count;
            }
        }

        bool succeeded = problems.Count == 0 || double.IsFinite(stack(signs).sum().ToDouble());
        return [.. problems.Select((p, i) => succeeded ? inverses[i].MoveToOuterDisposeScope() : Inverse(p.S, p.Shift, p.Owner).MoveToOuterDisposeScope())];
    }

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
