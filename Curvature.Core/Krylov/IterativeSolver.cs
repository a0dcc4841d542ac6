using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>
/// What the solvers share. The system is solved for <c>b / |b|</c>, so that every threshold is relative and results are covariant with the scales of A
/// and b. The method's own residual recurrence drifts from the truth by rounding, so once it reports success the true residual is measured
/// with a product, and where that is above the tolerance the method starts anew from there (iterative refinement) for as long as it halves
/// the residual.
/// </summary>
public abstract record IterativeSolver : ILinearSolver
{
    /// <value>
    /// Converged when <c>|b - A x| &lt;= Tolerance * |b|</c>. Default 1e-5. Rounding keeps the residual above about <c>eps |A| |x| / |b|</c>. With 0 the
    /// products are spent to the last.
    /// </value>
    public double Tolerance { get; init; } = 1e-5;

    /// <value>Products to spend, at most, with A and its transpose and those that measure the result included. Default 1000.</value>
    public int MaxProducts { get; init; } = 1000;

    /// <value>
    /// Where to start, <c>[Columns]</c>, e.g. the solution of a system nearby; null (default): zero. Costs one product; stays the caller's.
    /// </value>
    public Tensor? Start { get; init; }

    /// <summary>Products of one iteration, and of measuring the result.</summary>
    private protected virtual int ProductsPerIteration => 1;

    /// <summary>Whether a solution can be improved by solving again for its residual.</summary>
    private protected virtual bool CanRefine => true;

    /// <inheritdoc/>
    public LinearSolution Solve(
        LinearOperator a,
        Tensor b,
        LinearOperator? preconditioner = null,
        IProgress<ProductProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        CheckShapes(a, b, preconditioner);
        Check(a, preconditioner);
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        double length = Precision.Norm(b);
        if (!double.IsFinite(length))
        {
            throw new NonFiniteException("The right-hand side holds NaN or infinity.");
        }

        if (length == 0)
        {
            return new LinearSolution(zeros(a.Columns, a.DType, a.Device), 0, 0, 0, null, converged: true, null);
        }

        Tensor unit = b.detach().div(length);
        SolverWork work = new(a, preconditioner, MaxProducts, ProductsPerIteration, progress, cancellation) { RightHandSide = unit };
        Tensor x = Start?.detach().div(length) ?? zeros(a.Columns, a.DType, a.Device);
        Tensor r = Start is null ? unit.clone() : unit.sub(work.Apply(x));
        double residual = work.Finite(Precision.Norm(r)), before = double.PositiveInfinity;
        string? remark = null;
        while (residual > Tolerance && work.CanIterate && remark is null && residual <= before / 2 && (CanRefine || double.IsInfinity(before)))
        {
            using DisposeScope cycle = NewDisposeScope();
            before = residual;
            remark = Improve(work, x, r, Tolerance);
            r.copy_(unit.sub(work.Apply(x)));
            residual = Precision.Norm(r);
            residual = remark is null ? work.Finite(residual) : residual;
        }

        double? normal = NormalResidual(work, x, r);
        bool converged = residual <= Tolerance || normal <= Tolerance;
        return new LinearSolution(
            x.mul_(length).MoveToOuterDisposeScope(), work.Iterations, work.Products, residual, normal, converged, converged ? null : remark ?? Shortfall(work, residual));
    }

    /// <summary>
    /// Adds to x an approximate solution d of <c>A d = r</c>; r may be overwritten.
    /// </summary>
    /// <param name="work">Makes the products.</param>
    /// <param name="x">The solution so far, <c>[Columns]</c>.</param>
    /// <param name="r">Its residual, <c>[Rows]</c>.</param>
    /// <param name="target">The norm of the residual to reach.</param>
    /// <returns>Null where the target was reached or the products ran out; else what stopped the method.</returns>
    private protected abstract string? Improve(SolverWork work, Tensor x, Tensor r, double target);

    /// <summary>See <see cref="LinearSolution.NormalResidual"/>.</summary>
    private protected virtual double? NormalResidual(SolverWork work, Tensor x, Tensor r) => null;

    /// <summary>Refuses matrices that the method is not for.</summary>
    private protected virtual void Check(LinearOperator a, LinearOperator? preconditioner)
    {
        if (a.Rows != a.Columns)
        {
            throw new CurvatureException($"{GetType().Name} solves square systems; this operator is {a.Rows} x {a.Columns}. {nameof(Lsmr)} solves it by least squares.");
        }
    }

    /// <summary>Refuses what is not symmetric by construction.</summary>
    private protected void RequireSymmetric(LinearOperator a, LinearOperator? preconditioner)
    {
        if (!a.IsSymmetric || preconditioner is { IsSymmetric: false })
        {
            throw new CurvatureException(
                $"{GetType().Name} needs a symmetric {(a.IsSymmetric ? "preconditioner" : "operator")}; this one is not symmetric by construction. "
                + $"{nameof(Lsmr)} takes any.");
        }
    }

    private static string Shortfall(SolverWork work, double residual) => work.CanIterate
        ? FormattableString.Invariant($"Rounding in {work.DType} keeps the residual at {residual:g3}. Use float64, damping (A.Shift) or a larger tolerance.")
        : FormattableString.Invariant($"The residual is {residual:g3} after {work.Products} products. Allow more, precondition, or damp (A.Shift).");

    private void CheckShapes(LinearOperator a, Tensor b, LinearOperator? preconditioner)
    {
        if (!(Tolerance >= 0) || MaxProducts < 1)
        {
            throw new CurvatureException(FormattableString.Invariant($"Expected Tolerance >= 0 and MaxProducts >= 1; got {Tolerance} and {MaxProducts}."));
        }

        CheckVector(b, a.Rows, a, "right-hand side");
        if (Start is not null)
        {
            CheckVector(Start, a.Columns, a, "start");
        }

        if (preconditioner is { } p && (p.Rows != a.Columns || p.Columns != a.Columns || p.DType != a.DType))
        {
            throw new CurvatureException(
                $"The preconditioner must be {a.Columns} x {a.Columns} of {a.DType}, as an approximate inverse; got {p.Rows} x {p.Columns} of {p.DType}.");
        }
    }

    private static void CheckVector(Tensor v, long length, LinearOperator a, string what)
    {
        if (v.dim() != 1 || v.shape[0] != length || v.dtype != a.DType || v.device.type != a.Device.type)
        {
            throw new CurvatureException(
                $"The {what} must be a vector [{length}] of {a.DType} on {a.Device}; got [{string.Join(", ", v.shape)}] of {v.dtype} on {v.device}.");
        }
    }
}
