using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>
/// Minimum residuals for symmetric A, definite or not, and singular where <c>A x = b</c> can be solved (Paige and Saunders 1975, Solution of Sparse
/// Indefinite Systems of Linear Equations; in the form of Elman, Silvester and Wathen 2014, Finite Elements and Fast Iterative Solvers,
/// algorithm 4.1). It minimises <c>|b - A x|</c> over the Krylov space; with a symmetric positive definite preconditioner P, <c>|b - A x|_P</c>.
/// <para>
/// One product an iteration, eight vectors. Where b has a part outside the range of A the residual cannot reach zero; once <c>|A r|</c> is at
/// rounding level, 20 eps, of <c>|A| |r|</c>, the method stops at that least-squares solution and says so.
/// </para>
/// </summary>
public sealed record Minres : IterativeSolver
{
    private protected override void Check(LinearOperator a, LinearOperator? preconditioner)
    {
        base.Check(a, preconditioner);
        RequireSymmetric(a, preconditioner);
    }

    private protected override string? Improve(SolverWork work, Tensor x, Tensor r, double target)
    {
        // Lanczos: A z_j = gamma_{j+1} v_{j+1} + delta_j v_j + gamma_j v_{j-1} with z_j = P v_j, v_i^T P v_j = 1 for i = j and 0 else.
        Tensor v = r.clone(), before = zeros_like(r), z = work.Precondition(r).clone(), w = zeros_like(r), w0 = zeros_like(r);
        double[] first = Precision.Dots((r, r), (r, z));
        if (work.Finite(first[1]) <= 0)
        {
            return NotDefinite(first[1], work);
        }

        double gamma = Math.Sqrt(first[1]), eta = gamma, goal = target * gamma / Math.Sqrt(first[0]);
        (double c, double c0, double s, double s0, double scale) = (1, 1, 0, 0, 0);
        v.div_(gamma);
        z.div_(gamma);
        while (work.CanIterate)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor q = work.Apply(z);
            double delta = work.Finite(Precision.Dots((z, q))[0]);
            q = q.sub(v.mul(delta)).add_(before, -gamma);
            Tensor y = work.Precondition(q);
            double form = work.Finite(Precision.Dots((q, y))[0]);
            double next = Math.Sqrt(Math.Max(form, 0));
            scale = Math.Max(scale, Math.Abs(delta) + next);
            if (form < -100 * work.Epsilon * scale * scale)
            {
                return NotDefinite(form, work);
            }

            double rounding = 20 * work.Epsilon * scale;
            next = next <= rounding ? 0 : next;

            // The new column of T, after the two rotations before: (alpha3, alpha2, alpha0), and gamma_{j+1} to be rotated away.
            double alpha3 = s0 * gamma, alpha2 = (s * delta) + (c0 * c * gamma), alpha0 = (c * delta) - (c0 * s * gamma);
            if (double.Hypot(alpha0, c * next) <= rounding)
            {
                return FormattableString.Invariant($"A r is at rounding level at iteration {work.Iterations} while r is not ({Math.Abs(eta):g3}): the right-hand side has a part ")
                    + $"outside the range of the matrix, and x is a least-squares solution. {nameof(Lsmr)} is made for those.";
            }

            double alpha1 = double.Hypot(alpha0, next);
            (c0, c, s0, s) = (c, alpha0 / alpha1, s, next / alpha1);
            Tensor direction = z.sub(w0.mul(alpha3)).sub_(w.mul(alpha2)).div_(alpha1);
            w0.copy_(w);
            w.copy_(direction);
            x.add_(direction, c * eta);
            eta *= -s;
            work.CountIteration();
            if (Math.Abs(eta) <= goal || next == 0)
            {
                return null;
            }

            before.copy_(v);
            v.copy_(q).div_(next);
            z.copy_(y).div_(next);
            gamma = next;
        }

        return null;
    }

    private static string NotDefinite(double form, SolverWork work) =>
        FormattableString.Invariant($"The preconditioner is not positive definite: r^T P r = {form:g3} at iteration {work.Iterations}.");
}
