using Curvature.Krylov;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Krylov;

public sealed class MinresTests
{
    private static readonly double[] Indefinite = [.. Enumerable.Range(1, 40).Select(i => 0.1 * i), .. Enumerable.Range(1, 20).Select(i => -0.3 * i)];

    [Theory]
    [InlineData(ScalarType.Float64, 1e-10)]
    [InlineData(ScalarType.Float32, 1e-5)]
    public void Solves_indefinite_systems(ScalarType dtype, double tolerance)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor A = Matrices.WithSpectrum(Indefinite, 2, dtype), b = LinearSolverTests.Vector(60, 3, dtype);
        using MatrixOperator a = new(A);
        using LinearSolution solution = new Minres { Tolerance = tolerance }.Solve(a, b);
        Assert.True(solution.Converged, solution.Remark);
        Tensor expected = linalg.solve(A.to(ScalarType.Float64), b.to(ScalarType.Float64).unsqueeze(1)).squeeze(1);
        Assert.True(Matrices.RelativeDifference(solution.X, expected) < 100 * tolerance);
    }

    [Fact]
    public void Minimises_the_residual_over_the_krylov_space()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor A = Matrices.WithSpectrum(Indefinite, 2), b = LinearSolverTests.Vector(60, 3);
        using MatrixOperator a = new(A);
        for (int steps = 1; steps <= 6; steps++)
        {
            using LinearSolution solution = new Minres { Tolerance = 0, MaxProducts = steps + 1 }.Solve(a, b);
            List<Tensor> basis = [b];
            for (int i = 0; i < steps; i++)
            {
                basis.Add(A.mv(basis[^1]).div(A.mv(basis[^1]).norm()));
            }

            (Tensor q, _) = linalg.qr(stack(basis.Skip(1)).t()); // A K
            double least = b.sub(q.mv(q.t().mv(b))).norm().ToDouble() / b.norm().ToDouble();
            Assert.Equal(least, solution.Residual, 1e-8);
        }
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float32)]
    public void Solves_a_singular_system_that_is_consistent_by_the_least_norm(ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor A = Matrices.WithSpectrum([1, 2, -3, 4, 5, 0, 0, 0], 3, dtype);
        using MatrixOperator a = new(A);
        Tensor b = a.Apply(LinearSolverTests.Vector(8, 5, dtype));
        using LinearSolution solution = new Minres().Solve(a, b);
        Assert.True(solution.Converged, solution.Remark);
        Assert.True(Matrices.RelativeDifference(solution.X, linalg.pinv(A.to(ScalarType.Float64), rtol: 1e-5).mv(b.to(ScalarType.Float64))) < 1e-4);
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float32)]
    public void Says_where_the_right_hand_side_leaves_the_range(ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor A = Matrices.WithSpectrum([1, 2, -3, 4, 5, 0, 0, 0], 3, dtype), b = LinearSolverTests.Vector(8, 5, dtype);
        using MatrixOperator a = new(A);
        using LinearSolution solution = new Minres().Solve(a, b);
        Assert.False(solution.Converged);
        Assert.Contains("outside the range", solution.Remark, StringComparison.Ordinal);
        Tensor wide = A.to(ScalarType.Float64), inverse = linalg.pinv(wide, rtol: 1e-5), target = b.to(ScalarType.Float64);
        Assert.Equal(target.sub(wide.mv(inverse.mv(target))).norm().ToDouble() / target.norm().ToDouble(), solution.Residual, 1e-4);
    }

    [Fact]
    public void A_preconditioner_saves_iterations_on_an_indefinite_matrix()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor d = tensor([.. Enumerable.Range(0, 100).Select(i => (i % 3 == 0 ? -1 : 1) * Math.Pow(10, 3.0 * i / 100))], device: Here), b = LinearSolverTests.Vector(100, 1);
        using MatrixOperator small = Matrices.OperatorWithSpectrum([.. Enumerable.Range(0, 100).Select(i => i * 1e-3)]), a = new(d.diag().add(small.ToDense()));
        using DiagonalOperator inverse = new(d.abs().reciprocal());
        Minres solver = new() { Tolerance = 1e-9 };
        using LinearSolution plain = solver.Solve(a, b), preconditioned = solver.Solve(a, b, inverse);
        Assert.True(plain.Converged && preconditioned.Converged);
        Assert.True(preconditioned.Iterations * 3 < plain.Iterations, $"{preconditioned.Iterations} {plain.Iterations}");
        Assert.True(Matrices.RelativeDifference(preconditioned.X, plain.X) < 1e-6);
        using LinearSolution refused = solver.Solve(a, b, -1 * inverse);
        Assert.Contains("preconditioner is not positive definite", refused.Remark, StringComparison.Ordinal);
    }
}
