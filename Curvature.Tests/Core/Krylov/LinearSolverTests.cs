using Curvature.Krylov;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Krylov;

/// <summary>What every linear solver must do, over the catalogue.</summary>
public sealed class LinearSolverTests(ITestOutputHelper output)
{
    private static readonly double[] Positive = [.. Enumerable.Range(0, 60).Select(i => 1 + (i * 0.15))];

    public static TheoryData<string> Names => [.. KnownSolvers.Names];

    public static TheoryData<string, ScalarType, double> Scales
    {
        get
        {
            TheoryData<string, ScalarType, double> cases = [];
            foreach (string name in KnownSolvers.Names)
            {
                foreach (double scale in (double[])[1e-8, 1, 1e8])
                {
                    cases.Add(name, ScalarType.Float64, scale);
                    cases.Add(name, ScalarType.Float32, scale);
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Scales))]
    public void Agrees_with_the_dense_solution_at_every_scale_of_the_matrix_and_of_the_right_hand_side(string name, ScalarType dtype, double scale)
    {
        using DisposeScope scope = NewDisposeScope();
        bool isDouble = dtype == ScalarType.Float64;
        Tensor A = Matrices.WithSpectrum([.. Positive.Select(x => x * scale)], 5, dtype), b = Vector(60, 1, dtype).mul(1 / scale);
        using MatrixOperator a = new(A);
        ILinearSolver solver = KnownSolvers.Create(name, new LinearSolverOptions { Tolerance = isDouble ? 1e-10 : 1e-5 });

        using LinearSolution solution = solver.Solve(a, b);

        output.WriteLine($"{name} {dtype} {scale}: {solution.Iterations} iterations, residual {solution.Residual}");
        Assert.True(solution.Converged, solution.Remark);
        Assert.Null(solution.Remark);
        Assert.Equal(a.Products, solution.Products);
        AssertSameResidual(a, b, solution);
        Tensor exact = linalg.solve(A.to(ScalarType.Float64), b.to(ScalarType.Float64).unsqueeze(1)).squeeze(1);
        Assert.True(Matrices.RelativeDifference(solution.X, exact) < (isDouble ? 1e-9 : 1e-4));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_zero_right_hand_side_costs_nothing(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Positive);
        using LinearSolution solution = KnownSolvers.Create(name).Solve(a, zeros(60, ScalarType.Float64, device: Here));
        Assert.True(solution.Converged);
        Assert.Equal((0, 0, 0.0, 0.0), (solution.Iterations, solution.Products, solution.Residual, solution.X.abs().max().ToDouble()));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_zero_matrix_has_no_solution_and_the_remark_says_so(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (ScalarType dtype in (ScalarType[])[ScalarType.Float64, ScalarType.Float32])
        {
            using DiagonalOperator a = new(zeros(5, dtype, device: Here));
            using LinearSolution solution = KnownSolvers.Create(name).Solve(a, ones(5, dtype, device: Here));
            Assert.Equal(1, solution.Residual, 1e-6);
            Assert.Equal(0, solution.X.abs().max().ToDouble());
            Assert.Equal(name == "lsmr", solution.Converged); // zero is the least-squares solution, of least norm
            Assert.Equal(name == "lsmr", solution.Remark is null);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Goes_on_from_an_exact_start_and_sees_that_it_is_exact(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Positive);
        Tensor x = Vector(60, 3), b = a.Apply(x);
        LinearSolverOptions options = new() { Tolerance = 1e-12 };
        using LinearSolution exact = ((IterativeSolver)KnownSolvers.Create(name, options) with { Start = x }).Solve(a, b);
        Assert.Equal((true, 0), (exact.Converged, exact.Iterations));
        Assert.True(Matrices.RelativeDifference(exact.X, x) < 1e-12);

        using LinearSolution cold = KnownSolvers.Create(name, options).Solve(a, b);
        using LinearSolution warm = ((IterativeSolver)KnownSolvers.Create(name, options) with { Start = x.mul(1 + 1e-6) }).Solve(a, b);
        Assert.True(warm.Converged && warm.Iterations < cold.Iterations);
        Assert.True(Matrices.RelativeDifference(warm.X, x) < 1e-10);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Says_so_when_the_products_run_out(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Enumerable.Range(0, 80).Select(i => Math.Pow(0.8, i))]);
        Tensor b = Vector(80, 2);
        using LinearSolution solution = KnownSolvers.Create(name, new LinearSolverOptions { MaxProducts = 20, Tolerance = 1e-9 }).Solve(a, b);
        Assert.False(solution.Converged);
        Assert.Contains("products", solution.Remark, StringComparison.Ordinal);
        Assert.InRange(solution.Products, 1, 20);
        Assert.Equal(a.Products, solution.Products);
        AssertSameResidual(a, b, solution);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Does_not_claim_more_than_single_precision_can_give(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Enumerable.Range(0, 30).Select(i => Math.Pow(10, -i / 6.0))], 3, ScalarType.Float32);
        Tensor b = Vector(30, 4, ScalarType.Float32);
        using LinearSolution solution = KnownSolvers.Create(name, new LinearSolverOptions { Tolerance = 1e-9, MaxProducts = 400 }).Solve(a, b);
        output.WriteLine($"{name}: {solution.Residual} after {solution.Products}: {solution.Remark}");
        Assert.False(solution.Residual <= 1e-9);
        AssertSameResidual(a, b, solution, 0.2);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Stops_at_products_that_are_not_finite(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using DiagonalOperator a = new(tensor([1, double.NaN, 2], device: Here));
        Assert.Throws<NonFiniteException>(() => KnownSolvers.Create(name).Solve(a, ones(3, ScalarType.Float64, device: Here)));
        using DiagonalOperator finite = new(ones(3, ScalarType.Float64, device: Here));
        Assert.Throws<NonFiniteException>(() => KnownSolvers.Create(name).Solve(finite, tensor([1, double.NaN, 2], device: Here)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Reports_each_iteration_and_ends_when_told_to(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Positive);
        Tensor b = Vector(60, 1);
        List<ProductProgress> seen = [];
        using CancellationTokenSource cancel = new();
        Assert.Throws<OperationCanceledException>(() => KnownSolvers.Create(name).Solve(a, b, null, new Immediate(p =>
        {
            seen.Add(p);
            if (seen.Count == 3)
            {
                cancel.Cancel();
            }
        }), cancel.Token));
        Assert.Equal(3, seen.Count);
        Assert.All(seen, p => Assert.Equal(("linear system", 1000), (p.Stage, p.Total)));
        Assert.Equal(a.Products, seen[^1].Done);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Refuses_what_does_not_fit(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(Positive);
        Tensor b = Vector(60, 1);
        ILinearSolver solver = KnownSolvers.Create(name);
        Assert.Throws<CurvatureException>(() => solver.Solve(a, Vector(59, 1)));
        Assert.Throws<CurvatureException>(() => solver.Solve(a, b.unsqueeze(1)));
        Assert.Throws<CurvatureException>(() => solver.Solve(a, b.to(ScalarType.Float32)));
        using DiagonalOperator small = new(ones(59, ScalarType.Float64, device: Here));
        Assert.Contains("preconditioner", Assert.Throws<CurvatureException>(() => solver.Solve(a, b, small)).Message, StringComparison.Ordinal);
        Assert.Throws<CurvatureException>(() => KnownSolvers.Create(name, new LinearSolverOptions { Tolerance = -1 }).Solve(a, b));
        Assert.Throws<CurvatureException>(() => KnownSolvers.Create(name, new LinearSolverOptions { MaxProducts = 0 }).Solve(a, b));
    }

    [Fact]
    public void An_unknown_name_is_answered_with_the_known_ones() =>
        Assert.Contains("cg, minres, lsmr, neumann", Assert.Throws<CurvatureException>(() => KnownSolvers.Create("gmres")).Message, StringComparison.Ordinal);

    [Fact]
    public void Every_solver_is_in_the_catalogue() => Assert.Equal(
        typeof(ILinearSolver).Assembly.GetTypes().Where(t => t.IsAssignableTo(typeof(ILinearSolver)) && t is { IsAbstract: false }).OrderBy(t => t.Name),
        KnownSolvers.Names.Select(n => KnownSolvers.Create(n).GetType()).OrderBy(t => t.Name));

    internal static Tensor Vector(long n, ulong seed, ScalarType dtype = ScalarType.Float64)
    {
        using Generator generator = new(seed);
        return empty(n, ScalarType.Float64).normal_(0, 1, generator).to(Here).to(dtype);
    }

    internal static void AssertSameResidual(LinearOperator a, Tensor b, LinearSolution solution, double tolerance = 1e-3)
    {
        double expected = b.sub(a.Apply(solution.X)).to(ScalarType.Float64).norm().ToDouble() / b.to(ScalarType.Float64).norm().ToDouble();
        Assert.True(Math.Abs(expected - solution.Residual) <= (tolerance * expected) + (b.dtype == ScalarType.Float64 ? 1e-14 : 1e-6), $"{expected} {solution.Residual}");
    }

    private sealed class Immediate(Action<ProductProgress> report) : IProgress<ProductProgress>
    {
        public void Report(ProductProgress value) => report(value);
    }
}
