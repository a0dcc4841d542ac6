using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>
/// <c>A^{-1}</c> by a linear solver, one solve a column; with <see cref="Lsmr"/> the pseudo-inverse of a rectangular A, damped where it says so. A
/// product is only as exact as the solver's tolerance; the inverse of a symmetric matrix counts as symmetric, which holds to that tolerance.
/// <para>
/// What the inverse is used for does not see how good it is, so a solve that does not converge is an error, unless an approximation is what is
/// wanted (a few terms of a Neumann series): <see cref="LargestResidual"/> then says how good the worst one was.
/// </para>
/// </summary>
public sealed class InverseOperator : LinearOperator
{
    private readonly LinearOperator _a;
    private readonly ILinearSolver _solver;
    private readonly LinearOperator? _preconditioner;
    private readonly bool _requireConvergence;
    private readonly CancellationToken _cancellation;

    /// <param name="a">Stays the caller's, as do solver and preconditioner.</param>
    /// <param name="solver">Its kind must fit A: see <see cref="KnownSolvers"/>.</param>
    /// <param name="preconditioner">An approximation of <c>A^{-1}</c>; null: none.</param>
    /// <param name="requireConvergence">Whether a solve that falls short throws; false: what it gave is the product.</param>
    /// <param name="cancellation">Ends a solve between two products.</param>
    public InverseOperator(
        LinearOperator a, ILinearSolver solver, LinearOperator? preconditioner = null, bool requireConvergence = true, CancellationToken cancellation = default)
        : base(a.Columns, a.Rows, a.IsSymmetric, a.DType, a.Device) =>
        (_a, _solver, _preconditioner, _requireConvergence, _cancellation) = (a, solver, preconditioner, requireConvergence, cancellation);

    /// <summary>The largest residual <c>|b - A x| / |b|</c> of the solves so far; 0 before the first.</summary>
    public double LargestResidual { get; private set; }

    /// <inheritdoc/>
    /// <exception cref="NotConvergedException">A solve fell short of its tolerance.</exception>
    protected override Tensor Multiply(Tensor V) => SolveColumns(_a, V, _preconditioner);

    /// <inheritdoc/>
    protected override Tensor MultiplyTranspose(Tensor U) => SolveColumns(_a.Transpose(), U, _preconditioner?.Transpose());

    private Tensor SolveColumns(LinearOperator a, Tensor B, LinearOperator? preconditioner)
    {
        Tensor X = empty([B.shape[1], a.Columns], a.DType, a.Device);
        for (long j = 0; j < B.shape[1]; j++)
        {
            using DisposeScope scope = NewDisposeScope();
            using LinearSolution solution = _solver.Solve(a, B.select(1, j), preconditioner, cancellation: _cancellation);
            if (_requireConvergence && !solution.Converged)
            {
                throw new NotConvergedException($"{_solver.GetType().Name} did not solve for column {j}. {solution.Remark}");
            }

            LargestResidual = Math.Max(LargestResidual, solution.Residual);
            X.select(0, j).copy_(solution.X);
        }

        return X.t();
    }
}
