using Curvature.Krylov;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Krylov;

public sealed class ConjugateGradientTests
{
    [Fact]
    public void Ends_after_as_many_steps_as_there_are_different_eigenvalues()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Enumerable.Repeat(3.0, 20), .. Enumerable.Repeat(7.0, 30), 100], 2);
        using LinearSolution solution = new ConjugateGradient { Tolerance = 1e-12 }.Solve(a, LinearSolverTests.Vector(51, 1));
        Assert.True(solution.Converged);
        Assert.Equal((3, 4), (solution.Iterations, solution.Products));
    }

    [Fact]
    public void Stays_within_the_chebyshev_bound()
    {
        using DisposeScope scope = NewDisposeScope();
        const double Condition = 1e3;
        Tensor A = Matrices.WithSpectrum([.. Enumerable.Range(0, 200).Select(i => Math.Pow(Condition, -i / 199.0))], 4), b = LinearSolverTests.Vector(200, 7);
        using MatrixOperator a = new(A);
        Tensor exact = linalg.solve(A, b.unsqueeze(1)).squeeze(1);
        double EnergyOfError(Tensor x) => Math.Sqrt(exact.sub(x).dot(A.mv(exact.sub(x))).ToDouble());
        double before = EnergyOfError(zeros_like(b)), rate = (Math.Sqrt(Condition) - 1) / (Math.Sqrt(Condition) + 1);
        foreach (int steps in (int[])[5, 20, 80])
        {
            using LinearSolution solution = new ConjugateGradient { Tolerance = 0, MaxProducts = steps + 1 }.Solve(a, b);
            Assert.Equal(steps, solution.Iterations);
            Assert.True(EnergyOfError(solution.X) <= 2 * Math.Pow(rate, steps) * before);
        }
    }

    [Fact]
    public void A_good_preconditioner_saves_iterations()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor d = logspace(100), b = LinearSolverTests.Vector(100, 3);
        using MatrixOperator rotated = Matrices.OperatorWithSpectrum([.. Enumerable.Repeat(1.0, 99), 1.5], 2), a = new(d.diag().add(rotated.ToDense().mul(0.1)));
        using DiagonalOperator jacobi = new(a.ToDense().diagonal().reciprocal());
        ConjugateGradient solver = new() { Tolerance = 1e-10 };
        using LinearSolution plain = solver.Solve(a, b), preconditioned = solver.Solve(a, b, jacobi);
        Assert.True(plain.Converged && preconditioned.Converged);
        Assert.True(preconditioned.Iterations * 5 < plain.Iterations, $"{preconditioned.Iterations} {plain.Iterations}");
        Assert.True(Matrices.RelativeDifference(preconditioned.X, linalg.solve(a.ToDense(), b.unsqueeze(1)).squeeze(1)) < 1e-8);

        static Tensor logspace(int n) => tensor([.. Enumerable.Range(0, n).Select(i => Math.Pow(10, 4.0 * i / n))], device: Here);
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float32)]
    public void Names_negative_curvature_with_its_value(ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Enumerable.Range(1, 30).Select(i => (double)i), -4], 6, dtype);
        using LinearSolution solution = new ConjugateGradient().Solve(a, LinearSolverTests.Vector(31, 2, dtype));
        Assert.False(solution.Converged);
        Assert.Matches(@"A direction of curvature -[\d.]+ .* not positive definite", solution.Remark);
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float32)]
    public void Solves_a_singular_system_that_is_consistent_by_the_least_norm(ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor A = Matrices.WithSpectrum([1, 2, 3, 4, 5, 0, 0, 0], 3, dtype);
        using MatrixOperator a = new(A);
        Tensor b = a.Apply(LinearSolverTests.Vector(8, 5, dtype));
        using LinearSolution solution = new ConjugateGradient().Solve(a, b);
        Assert.True(solution.Converged, solution.Remark);
        Tensor expected = linalg.pinv(A.to(ScalarType.Float64), rtol: 1e-5).mv(b.to(ScalarType.Float64));
        Assert.True(Matrices.RelativeDifference(solution.X, expected) < 1e-4);
    }

    [Fact]
    public void Reaches_a_tight_tolerance_on_an_ill_conditioned_matrix_by_refinement()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Enumerable.Range(0, 100).Select(i => Math.Pow(10, -i / 30.0))], 9, ScalarType.Float32);
        using LinearSolution solution = new ConjugateGradient { Tolerance = 1e-4, MaxProducts = 3000 }.Solve(a, LinearSolverTests.Vector(100, 8, ScalarType.Float32));
        Assert.True(solution.Converged, solution.Remark);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Ends_where_the_quadratic_comes_to_a_standstill_and_not_before(bool warm)
    {
        using DisposeScope scope = NewDisposeScope();
        const double Least = 1e-3;
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Enumerable.Range(0, 200).Select(i => Math.Pow(1e4, -i / 199.0))], 4);
        Tensor A = a.ToDense(), b = LinearSolverTests.Vector(200, 7);
        Tensor? start = warm ? b.mul(0.5) : null;
        double Phi(int iterations)
        {
            using LinearSolution x = new ConjugateGradient { Tolerance = 0, MaxProducts = iterations + (warm ? 2 : 1), Start = start }.Solve(a, b);
            Assert.Equal(iterations, x.Iterations);
            return (x.X.dot(A.mv(x.X)).ToDouble() / 2) - b.dot(x.X).ToDouble();
        }

        using LinearSolution solution = new ConjugateGradient { Tolerance = 1e-12, LeastProgress = Least, Start = start }.Solve(a, b);
        Assert.False(solution.Converged);
        Assert.Contains("LeastProgress", solution.Remark, StringComparison.Ordinal);
        int i = solution.Iterations;
        double Progress(int at) => (Phi(at) - Phi(at - Math.Max(10, at / 10))) / Phi(at);
        Assert.True(Progress(i) < Math.Max(10, i / 10) * Least);
        Assert.True(Progress(i - 1) >= Math.Max(10, (i - 1) / 10) * Least);
    }

    [Fact]
    public void Refuses_what_is_not_symmetric_and_a_preconditioner_that_is_not_definite()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator general = new(arange(9, ScalarType.Float64, device: Here).reshape(3, 3)), symmetric = Matrices.OperatorWithSpectrum([1, 2, 3]);
        Tensor b = ones(3, ScalarType.Float64, device: Here);
        Assert.Throws<CurvatureException>(() => new ConjugateGradient().Solve(general, b));
        Assert.Throws<CurvatureException>(() => new ConjugateGradient().Solve(symmetric, b, general));
        using LinearSolution solution = new ConjugateGradient().Solve(symmetric, b, -1 * symmetric);
        Assert.Contains("preconditioner is not positive definite", solution.Remark, StringComparison.Ordinal);
    }
}
