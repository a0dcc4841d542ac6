using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>
/// Conjugate gradients for symmetric positive definite A (Hestenes and Stiefel 1952, Methods of Conjugate Gradients for Solving Linear Systems),
/// preconditioned by a symmetric positive definite <c>P ~ A^{-1}</c> where one is given. It minimises <c>|x - x*|_A</c> over the Krylov space: after k
/// steps at most <c>2 ((sqrt(c) - 1) / (sqrt(c) + 1))^k</c> of its first value, c the condition number of PA.
/// <para>
/// One product an iteration, five vectors. A direction p with <c>p^T A p &lt;= 0</c>, up to rounding, ends it: A is then not positive definite, which
/// <see cref="LinearSolution.Remark"/> says with the curvature found; x is what the directions before it gave. Singular systems that are
/// consistent are solved, from a zero start by the solution of least norm.
/// </para>
/// </summary>
public sealed record ConjugateGradient : IterativeSolver
{
    /// <value>
    /// Ends it before the residual is small, where the last k iterations, k the larger of 10 and a tenth of all, lowered <c>phi(x) = x^T A x / 2 - b^T x</c> by less than k times this, as a share
    /// of a <c>phi(x)</c> below 0. Null (default): never. For truncated Newton steps, which are to lower phi; 5e-4 in Martens 2010, Deep Learning via Hessian-Free Optimization, section 4.4. The
    /// solution has then not converged, and <see cref="LinearSolution.Remark"/> says so.
    /// </value>
    public double? LeastProgress { get; init; }

    private protected override void Check(LinearOperator a, LinearOperator? preconditioner)
    {
        base.Check(a, preconditioner);
        RequireSymmetric(a, preconditioner);
    }

    private protected override string? Improve(SolverWork work, Tensor x, Tensor r, double target)
    {
        Tensor p = work.Precondition(r).clone();
        double rz = work.Finite(Precision.Dots((r, p))[0]), largest = 0;
        List<double> phi = [LeastProgress is null ? 0 : -0.5 * Precision.Dots((x, work.RightHandSide.add(r)))[0]]; // A x = b - r
        while (work.CanIterate)
        {
            if (rz <= 0)
            {
                return FormattableString.Invariant($"The preconditioner is not positive definite: r^T P r = {rz:g3} at iteration {work.Iterations}.");
            }

            using DisposeScope scope = NewDisposeScope();
            Tensor Ap = work.Apply(p);
            double[] forms = Precision.Dots((p, Ap), (p, p));
            double curvature = work.Finite(forms[0] / forms[1]);
            if (curvature <= work.Epsilon * largest)
            {
                return FormattableString.Invariant(
                    $"A direction of curvature {curvature:g3} (the largest seen is {largest:g3}) at iteration {work.Iterations}: the matrix is not ")
                    + $"positive definite. Shift it (A.Shift), take a positive semi-definite one such as the GGN, or use {nameof(Minres)}.";
            }

            largest = Math.Max(largest, curvature);
            double alpha = rz / forms[0];
            x.add_(p, alpha);
            r.add_(Ap, -alpha);
            work.CountIteration();
            phi.Add(phi[^1] - (alpha * rz / 2));
            if (Stalls(phi))
            {
                return FormattableString.Invariant($"Ended at iteration {work.Iterations} by {nameof(LeastProgress)} = {LeastProgress}: the last ones lowered x^T A x / 2 - b^T x by less.");
            }

            Tensor z = work.Precondition(r);
            forms = Precision.Dots((r, r), (r, z));
            if (Math.Sqrt(work.Finite(forms[0])) <= target)
            {
                return null;
            }

            p.mul_(forms[1] / rz).add_(z);
            rz = forms[1];
        }

        return null;
    }

    /// <summary>Whether the last values of phi have come to a standstill.</summary>
    private bool Stalls(List<double> phi)
    {
        int i = phi.Count - 1, k = Math.Max(10, i / 10);
        return LeastProgress is { } least && i > k && phi[i] < 0 && phi[i] - phi[i - k] > k * least * phi[i];
    }
}
