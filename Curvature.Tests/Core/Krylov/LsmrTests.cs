using Curvature.Krylov;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Krylov;

public sealed class LsmrTests
{
    [Theory]
    [InlineData(30, 12, ScalarType.Float64)]
    [InlineData(12, 30, ScalarType.Float64)]
    [InlineData(30, 12, ScalarType.Float32)]
    [InlineData(12, 30, ScalarType.Float32)]
    public void Gives_the_pseudo_inverse_of_rectangular_matrices(int rows, int columns, ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor A = LinearSolverTests.Vector(rows * columns, 4).reshape(rows, columns), b = LinearSolverTests.Vector(rows, 2);
        using MatrixOperator a = new(A.to(dtype));
        using LinearSolution solution = new Lsmr { Tolerance = dtype == ScalarType.Float64 ? 1e-11 : 1e-5 }.Solve(a, b.to(dtype));
        Assert.True(solution.Converged, solution.Remark);
        Assert.Equal(a.Products, solution.Products);
        Assert.True(Matrices.RelativeDifference(solution.X, linalg.pinv(A).mv(b)) < (dtype == ScalarType.Float64 ? 1e-9 : 1e-3));
        LinearSolverTests.AssertSameResidual(a, b.to(dtype), solution);
    }

    [Theory]
    [InlineData(30, 12, 0.7)]
    [InlineData(12, 30, 0.7)]
    [InlineData(20, 20, 3)]
    public void Damps_as_the_regularised_normal_equations_do(int rows, int columns, double damping)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor A = LinearSolverTests.Vector(rows * columns, 4).reshape(rows, columns), b = LinearSolverTests.Vector(rows, 2);
        using MatrixOperator a = new(A);
        using LinearSolution solution = new Lsmr { Tolerance = 1e-12, Damping = damping }.Solve(a, b);
        Assert.True(solution.Converged, solution.Remark);
        Tensor normal = A.t().mm(A).add(eye(columns, columns, ScalarType.Float64, device: Here).mul(damping * damping));
        Assert.True(Matrices.RelativeDifference(solution.X, linalg.solve(normal, A.t().mv(b).unsqueeze(1)).squeeze(1)) < 1e-10);
        Assert.True(solution.NormalResidual < 1e-11);
    }

    [Fact]
    public void Solves_square_systems_without_symmetry_and_with_rank_deficiency()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor left = LinearSolverTests.Vector(40 * 15, 6).reshape(40, 15), right = LinearSolverTests.Vector(40 * 15, 7).reshape(15, 40);
        using MatrixOperator a = new(left.mm(right));
        Tensor b = LinearSolverTests.Vector(40, 8);
        using LinearSolution solution = new Lsmr { Tolerance = 1e-10 }.Solve(a, b);
        Assert.True(solution.Converged && solution.Residual > 0.1, $"{solution.Residual} {solution.Remark}");
        Assert.True(Matrices.RelativeDifference(solution.X, linalg.pinv(left.mm(right), rtol: 1e-10).mv(b)) < 1e-6);
    }

    [Fact]
    public void A_right_preconditioner_changes_the_path_and_not_the_solution()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor scales = tensor([.. Enumerable.Range(0, 20).Select(i => Math.Pow(10, i / 5.0))], device: Here);
        Tensor A = LinearSolverTests.Vector(600, 4).reshape(30, 20).mul(scales), b = LinearSolverTests.Vector(30, 2);
        using MatrixOperator a = new(A);
        using DiagonalOperator columnScaling = new(scales.reciprocal());
        Lsmr solver = new() { Tolerance = 1e-11 };
        using LinearSolution plain = solver.Solve(a, b), preconditioned = solver.Solve(a, b, columnScaling);
        Assert.True(preconditioned.Converged && preconditioned.Iterations * 2 < plain.Iterations, $"{preconditioned.Iterations} {plain.Iterations}");
        Assert.True(Matrices.RelativeDifference(preconditioned.X, linalg.pinv(A).mv(b)) < 1e-8);
        Assert.Throws<CurvatureException>(() => (solver with { Damping = 1 }).Solve(a, b, columnScaling));
        Assert.Throws<CurvatureException>(() => (solver with { Damping = -1 }).Solve(a, b));
    }

    [Fact]
    public void A_right_hand_side_orthogonal_to_the_range_has_the_solution_zero()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = new(tensor(new double[,] { { 1, 2 }, { 3, 4 }, { 0, 0 } }, device: Here));
        using LinearSolution solution = new Lsmr().Solve(a, tensor([0.0, 0, 5], device: Here));
        Assert.True(solution.Converged);
        Assert.Equal((1.0, 0.0, 0.0), (solution.Residual, solution.NormalResidual!.Value, solution.X.abs().max().ToDouble()));
    }
}
