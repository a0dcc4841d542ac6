using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>
/// Least squares for any A, square or rectangular: <c>min |b - A x|^2 + damping^2 |x|^2</c> (Fong and Saunders 2011, LSMR: An Iterative Algorithm for
/// Sparse Least-Squares Problems). It minimises <c>|A^T r|</c> over the Krylov space of <c>A^T A</c> by Golub-Kahan bidiagonalisation: what MINRES would
/// do on the normal equations, without squaring the rounding. Of many solutions it gives that of least norm.
/// <para>
/// Converged when <c>|b - A x| &lt;= Tolerance |b|</c> or <c>|A^T r - damping^2 x| &lt;= Tolerance |A| |r|</c> (section 5 there; |A| as estimated from the
/// bidiagonal, in the Frobenius norm). An iteration takes a product with A and one with its transpose; six vectors.
/// </para>
/// <para>A preconditioner P acts from the right: <c>min |b - A P y|</c>, <c>x = P y</c>. It excludes damping, which would be of y.</para>
/// </summary>
public sealed record Lsmr : IterativeSolver
{
    /// <value>The damping, not negative. Default 0. Its square is what is added to the diagonal of <c>A^T A</c>.</value>
    public double Damping { get; init; }

    private protected override int ProductsPerIteration => 2;

    private protected override bool CanRefine => Damping == 0;

    private protected override void Check(LinearOperator a, LinearOperator? preconditioner)
    {
        if (!(Damping >= 0) || double.IsInfinity(Damping))
        {
            throw new CurvatureException(FormattableString.Invariant($"Damping is a finite number that is not negative; got {Damping}."));
        }

        if (Damping > 0 && preconditioner is not null)
        {
            throw new CurvatureException("A preconditioned Lsmr would damp y in x = P y, not x. Leave out the damping or the preconditioner.");
        }
    }

    private protected override string? Improve(SolverWork work, Tensor x, Tensor r, double target)
    {
        double[] start = Damping > 0 ? Precision.Dots((x, x)) : [0];
        if (start[0] > 0)
        {
            return $"A damped {nameof(Lsmr)} cannot go on from a start: damping is towards zero.";
        }

        double beta = Precision.Norm(r);
        Tensor u = r.div_(beta), v = TransposeProduct(work, u);
        double alpha = work.Finite(Precision.Norm(v));
        if (alpha == 0)
        {
            return null; // r is orthogonal to the range: x is the solution
        }

        v.div_(alpha);
        Tensor h = v.clone(), hbar = zeros_like(v), y = zeros_like(v);
        Recurrence k = new(alpha, beta, Damping);
        while (work.CanIterate)
        {
            using DisposeScope scope = NewDisposeScope();
            double rounding = 10 * work.Epsilon * k.Norm;

            // beta u = A v - alpha u,  alpha v = A^T u - beta v
            u.mul_(-alpha).add_(work.Apply(work.Precondition(v)));
            beta = work.Finite(Precision.Norm(u));
            beta = beta <= rounding ? 0 : beta;
            u.mul_(beta == 0 ? 0 : 1 / beta);
            v.mul_(-beta).add_(TransposeProduct(work, u));
            alpha = work.Finite(Precision.Norm(v));
            alpha = alpha <= rounding ? 0 : alpha;
            v.mul_(alpha == 0 ? 0 : 1 / alpha);

            k.Rotate(alpha, beta);
            hbar.mul_(k.OfBar).add_(h);
            y.add_(hbar, k.Step);
            h.mul_(k.OfH).add_(v);
            work.CountIteration();
            if (k.Residual <= target || k.NormalResidual <= Tolerance * k.Norm * k.Residual || alpha == 0 || beta == 0)
            {
                break;
            }
        }

        work.NormEstimate = k.Norm;
        x.add_(work.Precondition(y));
        return null;
    }

    private protected override double? NormalResidual(SolverWork work, Tensor x, Tensor r)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor s = TransposeProduct(work, r).sub(x.mul(Damping * Damping));
        double size = double.Hypot(Precision.Norm(r), Damping * Precision.Norm(x)) * work.NormEstimate, normal = Precision.Norm(s);
        return normal == 0 ? 0 : normal / size;
    }

    private static Tensor TransposeProduct(SolverWork work, Tensor u) => work.PreconditionTranspose(work.ApplyTranspose(u)).clone();

    /// <summary>The scalars of sections 2.2 to 2.7 and 5: two rotations a step that make the bidiagonal triangular, and what they say of the norms.</summary>
    private sealed class Recurrence(double alpha, double beta, double damping)
    {
        private double _alphaBar = alpha, _zetaBar = alpha * beta, _zeta;
        private double _rho = 1, _rhoBar = 1, _cBar = 1, _sBar;
        private double _betaDd = beta, _betaD, _rhoD = 1, _tau, _theta, _sumOfSquares;
        private double _normSquared = (alpha * alpha) + (damping * damping);

        /// <summary>Factor of the old h-bar in the new one.</summary>
        public double OfBar { get; private set; }

        /// <summary>Factor of h-bar in the step of x.</summary>
        public double Step { get; private set; }

        /// <summary>Factor of the old h in the new one.</summary>
        public double OfH { get; private set; }

        /// <summary><c>|b - A x|</c>, with the damping's rows.</summary>
        public double Residual { get; private set; } = beta;

        /// <summary><c>|A^T r|</c>, with the damping's rows.</summary>
        public double NormalResidual => Math.Abs(_zetaBar);

        /// <summary>The Frobenius norm of the bidiagonal so far.</summary>
        public double Norm => Math.Sqrt(_normSquared);

        public void Rotate(double alpha, double beta)
        {
            (double cHat, double sHat, double alphaHat) = Rotation(_alphaBar, damping);
            (double rhoOld, double rhoBarOld, double zetaOld) = (_rho, _rhoBar, _zeta);
            (double c, double s, _rho) = Rotation(alphaHat, beta);
            double thetaNew = s * alpha;
            _alphaBar = c * alpha;

            double thetaBar = _sBar * _rho;
            (_cBar, _sBar, _rhoBar) = Rotation(_cBar * _rho, thetaNew);
            _zeta = _cBar * _zetaBar;
            _zetaBar = -_sBar * _zetaBar;

            OfBar = -thetaBar * _rho / (rhoOld * rhoBarOld);
            Step = _zeta / (_rho * _rhoBar);
            OfH = -thetaNew / _rho;

            // The residual's norm, section 5.
            double betaAcute = cHat * _betaDd, betaCheck = -sHat * _betaDd, betaHat = c * betaAcute;
            _betaDd = -s * betaAcute;
            (double cTilde, double sTilde, double rhoTilde) = Rotation(_rhoD, thetaBar);
            double thetaOld = _theta;
            _theta = sTilde * _rhoBar;
            _rhoD = cTilde * _rhoBar;
            _betaD = (-sTilde * _betaD) + (cTilde * betaHat);
            _tau = (zetaOld - (thetaOld * _tau)) / rhoTilde;
            double tauD = (_zeta - (_theta * _tau)) / _rhoD;
            _sumOfSquares += betaCheck * betaCheck;
            Residual = Math.Sqrt(_sumOfSquares + Math.Pow(_betaD - tauD, 2) + (_betaDd * _betaDd));
            _normSquared += (alpha * alpha) + (beta * beta) + (damping * damping);
        }

        /// <summary>The rotation that takes (a, b) to (r, 0).</summary>
        private static (double C, double S, double R) Rotation(double a, double b)
        {
            double r = double.Hypot(a, b);
            return r == 0 ? (1, 0, 0) : (a / r, b / r, r);
        }
    }
}
