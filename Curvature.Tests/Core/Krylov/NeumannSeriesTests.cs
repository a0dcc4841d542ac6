using Curvature.Krylov;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Krylov;

public sealed class NeumannSeriesTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(20)]
    public void Sums_exactly_the_terms_it_is_given(int terms)
    {
        using DisposeScope scope = NewDisposeScope();
        const double Alpha = 0.1;
        Tensor A = Matrices.WithSpectrum([.. Enumerable.Range(1, 12).Select(i => (double)i)], 3), b = LinearSolverTests.Vector(12, 1), d = rand(12, ScalarType.Float64).to(Here).add(0.5);
        using MatrixOperator a = new(A);
        using DiagonalOperator p = new(d);
        Tensor PA = d.diag().mm(A), sum = zeros_like(b), term = d.mul(b);
        for (int k = 0; k < terms; k++)
        {
            sum = sum.add(term.mul(Alpha));
            term = term.sub(PA.mv(term).mul(Alpha));
        }

        using LinearSolution solution = new NeumannSeries { StepSize = Alpha, Tolerance = 0, MaxProducts = terms + 1 }.Solve(a, b, p);
        Assert.Equal((terms, terms + 1), (solution.Iterations, solution.Products));
        Assert.True(Matrices.RelativeDifference(solution.X, sum) < 1e-12);
    }

    [Fact]
    public void Converges_at_the_rate_of_the_smallest_eigenvalue()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Enumerable.Range(0, 50).Select(i => 0.1 + (i * 0.018))]);
        using LinearSolution solution = new NeumannSeries { StepSize = 1, Tolerance = 1e-8 }.Solve(a, LinearSolverTests.Vector(50, 1));
        Assert.True(solution.Converged);
        Assert.InRange(solution.Iterations, 120, 1 + (int)(Math.Log(1e-8) / Math.Log(0.9)));
    }

    [Theory]
    [InlineData(0.3, 1.0)] // a step beyond 2 / 10
    [InlineData(0.1, -1.0)] // an indefinite matrix
    public void Reports_divergence_with_the_remedy(double alpha, double smallest)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([smallest, 2, 3, 10]);
        using LinearSolution solution = new NeumannSeries { StepSize = alpha }.Solve(a, LinearSolverTests.Vector(4, 1));
        Assert.False(solution.Converged);
        Assert.Contains("diverges", solution.Remark, StringComparison.Ordinal);
        Assert.Contains("smaller StepSize", solution.Remark, StringComparison.Ordinal);
        Assert.True(solution.Residual > 1);
    }

    [Fact]
    public void With_a_preconditioner_a_residual_that_grows_before_it_falls_is_no_divergence()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = new(tensor(new double[,] { { 100, 9 }, { 9, 1 } }, device: Here));
        using DiagonalOperator p = new(tensor([1.0, 100], device: Here));  // PA has the eigenvalues 10 and 190
        Tensor b = tensor([0.0, 1], device: Here);
        using LinearSolution one = new NeumannSeries { StepSize = 1 / 190.0, MaxProducts = 2 }.Solve(a, b, p), many = new NeumannSeries { StepSize = 1 / 190.0, Tolerance = 1e-8 }.Solve(a, b, p);
        Assert.InRange(one.Residual, 4, 6);
        Assert.DoesNotContain("diverges", one.Remark ?? "", StringComparison.Ordinal);
        Assert.True(many.Converged);
    }

    [Fact]
    public void A_step_far_too_long_is_divergence_and_not_a_number_that_is_not_finite()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([1e20, 2e20], 1, ScalarType.Float32);
        using LinearSolution solution = new NeumannSeries { StepSize = 1 }.Solve(a, ones(2, device: Here));
        Assert.Contains("diverges", solution.Remark, StringComparison.Ordinal);
        Assert.Throws<CurvatureException>(() => new NeumannSeries { StepSize = 0 }.Solve(a, ones(2, device: Here)));
    }
}
