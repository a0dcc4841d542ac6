using Curvature.Krylov;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Krylov;

public sealed class InverseOperatorTests
{
    [Fact]
    public void Is_the_inverse_in_the_algebra_too()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Enumerable.Range(1, 20).Select(i => (double)i)], 2);
        using InverseOperator inverse = new(a, new ConjugateGradient { Tolerance = 1e-12 });
        using DiagonalOperator jacobi = new(a.ToDense().diagonal().reciprocal());
        using InverseOperator preconditioned = new(a, new ConjugateGradient { Tolerance = 1e-12 }, jacobi);
        Assert.True(inverse.IsSymmetric);
        Assert.True(Matrices.RelativeDifference(inverse.ToDense(), linalg.inv(a.ToDense())) < 1e-10);
        Assert.True(Matrices.RelativeDifference((a * preconditioned).ToDense(), eye(20, 20, ScalarType.Float64, device: Here)) < 1e-10);
        Assert.InRange(inverse.LargestResidual, 1e-16, 1e-12);
        Assert.Equal(20, inverse.Products);
    }

    [Theory]
    [InlineData(9, 9)]
    [InlineData(12, 7)]
    [InlineData(7, 12)]
    public void With_lsmr_it_is_the_pseudo_inverse_and_has_a_transpose(int rows, int columns)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(4);
        Tensor A = randn(rows, columns, ScalarType.Float64).to(Here);
        using MatrixOperator a = new(A);
        using InverseOperator inverse = new(a, new Lsmr { Tolerance = 1e-11 });
        Assert.Equal((columns, rows), (inverse.Rows, inverse.Columns));
        Tensor exact = linalg.pinv(A);
        Assert.True(Matrices.RelativeDifference(inverse.ToDense(), exact) < 1e-7);
        Assert.True(Matrices.RelativeDifference(inverse.Transpose().ToDense(), exact.t()) < 1e-7);
    }

    [Fact]
    public void A_solve_that_falls_short_is_an_error_unless_an_approximation_was_asked_for()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([0.01, 0.5, 1, 1.5], 2);
        NeumannSeries fiveTerms = new() { StepSize = 1, Tolerance = 0, MaxProducts = 6 };
        using InverseOperator strict = new(a, fiveTerms), approximate = new(a, fiveTerms, requireConvergence: false);
        Tensor b = LinearSolverTestVector();
        string message = Assert.Throws<NotConvergedException>(() => strict.Apply(b)).Message;
        Assert.Contains("NeumannSeries did not solve for column 0. The residual is", message, StringComparison.Ordinal);

        // Five terms are a polynomial in A: linear, and the same each time.
        Tensor once = approximate.Apply(b);
        Assert.True(Matrices.RelativeDifference(approximate.Apply(b.mul(3)), once.mul(3)) < 1e-12);
        Assert.InRange(approximate.LargestResidual, 0.01, 1);

        static Tensor LinearSolverTestVector() => tensor([1.0, -2, 3, 0.5], device: Here);
    }
}
