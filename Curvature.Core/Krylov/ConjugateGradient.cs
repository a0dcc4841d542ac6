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
    private protected override void Check(LinearOperator a, LinearOperator? preconditioner)
    {
        base.Check(a, preconditioner);
        RequireSymmetric(a, preconditioner);
    }

    private protected override string? Improve(SolverWork work, Tensor x, Tensor r, double target)
    {
        Tensor p = work.Precondition(r).clone();
        double rz = work.Finite(Precision.Dots((r, p))[0]), largest = 0;
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
}
