using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>
/// The truncated Neumann series <c>A^{-1} b ~ alpha sum_{k=0}^{K} (I - alpha P A)^k P b</c>, P a preconditioner or the identity (as used for
/// hypergradients by Lorraine, Vicol and Duvenaud 2020, Optimizing Millions of Hyperparameters by Implicit Differentiation, section 3.1). It converges
/// where all eigenvalues of PA lie in <c>(0, 2/alpha)</c>, by a factor <c>1 - alpha lambda_min</c> a term: on ill-conditioned matrices far more slowly than
/// <see cref="ConjugateGradient"/>, but with no inner products, and as a fixed polynomial in A it is linear in b.
/// <para>
/// One product a term, four vectors. A residual that grows tenfold is divergence: the series is stopped and <see cref="LinearSolution.Remark"/> says
/// what to change, as it does where, without a preconditioner, the last of the terms asked for left the residual larger than it had been.
/// </para>
/// </summary>
public sealed record NeumannSeries : IterativeSolver
{
    /// <summary>Power steps, one product each, that estimate the norm.</summary>
    private const int NormSteps = 12;

    /// <summary>Growth of the residual over its smallest value that cannot be mended by further terms.</summary>
    private const double Divergence = 10;

    /// <summary>Growth by the last term that rounding does not make, without a preconditioner.</summary>
    private const double Growth = 1.01;

    /// <value>
    /// alpha, positive. Null (default): one over the norm of PA as 12 steps of the power method find it, which is from below; half of it would still
    /// do.
    /// </value>
    public double? StepSize { get; init; }

    /// <value>Seed of the norm's start vector.</value>
    public int Seed { get; init; }

    private protected override void Check(LinearOperator a, LinearOperator? preconditioner)
    {
        base.Check(a, preconditioner);
        if (StepSize is { } alpha && (!(alpha > 0) || double.IsInfinity(alpha)))
        {
            throw new CurvatureException(FormattableString.Invariant($"StepSize is a finite positive number; got {alpha}."));
        }
    }

    private protected override string? Improve(SolverWork work, Tensor x, Tensor r, double target)
    {
        double alpha = StepSize ?? 1 / (work.NormEstimate = work.NormEstimate > 0 ? work.NormEstimate : EstimateNorm(work));
        if (double.IsInfinity(alpha))
        {
            return "The matrix took a random vector to zero: it is zero, and the system has no solution.";
        }

        double smallest = Precision.Norm(r), residual = smallest;
        while (work.CanIterate)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor d = work.Precondition(r).mul(alpha);
            x.add_(d);
            r.sub_(work.Apply(d));
            work.CountIteration();
            residual = Precision.Norm(r);
            if (residual <= target)
            {
                return null;
            }

            if (!(residual <= Divergence * smallest))
            {
                break;
            }

            smallest = Math.Min(smallest, residual);
        }

        // Within (0, 2/alpha) no term of a symmetric system makes the residual larger: few terms that diverge slowly are told from many that would do. With a preconditioner AP is not symmetric, and a residual may grow
        // before it falls.
        return residual <= (work.IsPreconditioned ? Divergence : Growth) * smallest ? null : FormattableString.Invariant(
            $"The series diverges: the residual grew from {smallest:g3} to {residual:g3} by term {work.Iterations} with alpha = {alpha:g3}. The eigenvalues must lie in ")
            + $"(0, 2/alpha): take a smaller StepSize, a positive definite matrix (damping by A.Shift, or the GGN), or {nameof(Minres)}.";
    }

    /// <summary>The growth <c>|P A v| / |v|</c> at the end of the power method on PA.</summary>
    private double EstimateNorm(SolverWork work)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor v = Probes.Draw(ProbeKind.Gaussian, work.Columns, 0, 1, Seed, work.DType, work.Device).squeeze(1);
        double norm = Precision.Norm(v);
        for (int i = 0; i < NormSteps && norm > 0 && work.CanIterate; i++)
        {
            using DisposeScope step = NewDisposeScope();
            v = work.Precondition(work.Apply(v.div(norm))).MoveToOuterDisposeScope();
            norm = work.Finite(Precision.Norm(v));
        }

        return norm;
    }
}
