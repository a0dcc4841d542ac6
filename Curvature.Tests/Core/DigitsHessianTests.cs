using Curvature.Data;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core;

/// <summary>The estimators on real data: the digits network, whose exact Hessian has 2,410 rows.</summary>
public sealed class DigitsHessianTests(DigitsHessianTests.Digits digits, ITestOutputHelper output) : IClassFixture<DigitsHessianTests.Digits>
{
    [Fact]
    public void The_five_largest_eigenvalues_agree_within_their_residuals()
    {
        double[] exact = [.. digits.Eigenvalues.OrderByDescending(Math.Abs).Take(5)];
        using Eigenpairs pairs = new LanczosEigensolver { Count = 5 }.Solve(digits.Hessian);
        foreach ((double e, Eigenvalue v) in exact.Zip(pairs.Values))
        {
            output.WriteLine($"{e} {v} {pairs.Products}");
        }

        Assert.True(pairs.Converged && pairs.IsComplete);
        Assert.All(exact.Zip(pairs.Values), p =>
        {
            Assert.True(Math.Abs(p.First - p.Second.Value) <= p.Second.Residual, $"{p}");
            Assert.True(Math.Abs(p.First - p.Second.Value) <= 1e-4 * Math.Abs(p.First), $"{p}");
        });
    }

    [Fact]
    public void Ten_eigenpairs_by_lanczos_take_at_most_a_quarter_of_the_products_of_deflated_power_iteration()
    {
        // The matrix itself in place of the network, symmetric to the last bit: the same products.
        using MatrixOperator matrix = new(digits.Dense.add(digits.Dense.t()).mul(0.5));
        using Eigenpairs lanczos = new LanczosEigensolver { Count = 10, Tolerance = 1e-3 }.Solve(matrix);
        using Eigenpairs power = new PowerIteration { Count = 10, Tolerance = 1e-3, MaxProducts = 5000 }.Solve(matrix);
        using Eigenpairs lobpcg = new Lobpcg { Count = 10, Tolerance = 1e-3 }.Solve(matrix);
        output.WriteLine($"lanczos {lanczos.Products}, lobpcg {lobpcg.Products}, power {power.Products}");
        Assert.All((Eigenpairs[])[lanczos, power, lobpcg], pairs => Assert.True(pairs.Converged));
        Assert.True(4 * lanczos.Products <= power.Products, $"{lanczos.Products} {power.Products}");
        Assert.True(lobpcg.Products <= power.Products, $"{lobpcg.Products} {power.Products}");
        Assert.All(digits.Eigenvalues.OrderDescending().Take(10).Zip(lobpcg.Values), p => Assert.True(Math.Abs(p.First - p.Second.Value) <= p.Second.Residual, $"{p}"));
    }

    [Fact]
    public void The_trace_interval_covers_in_88_to_100_of_100_seeds()
    {
        double exact = digits.Eigenvalues.Sum();
        // The matrix itself in place of the network: the same products, a hundred times as fast.
        using MatrixOperator matrix = new(digits.Dense);
        Estimate[] estimates = [.. Enumerable.Range(0, 100).Select(seed => new HutchinsonTrace { Seed = seed }.Estimate(matrix).Total)];
        output.WriteLine($"exact {exact}, first {estimates[0]}");
        Assert.InRange(estimates.Count(e => Math.Abs(e.Value - exact) <= 1.96 * e.StandardError), 88, 100);
        Assert.InRange(
            estimates.Count(e => e.ConfidenceInterval() is var (low, high) && low <= exact && exact <= high), 88, 100);
    }

    [Fact]
    public void The_cumulative_density_is_within_2_percent()
    {
        SpectralDensity density = new StochasticLanczosQuadrature().Estimate(digits.Hessian);
        double[] lambda = [.. digits.Eigenvalues.Order()];
        double largest = lambda.Max(Math.Abs);
        double worst = 0, where = 0;
        foreach (double x in Enumerable.Range(0, 2001).Select(i => Math.Pow(10, -3 + (i * 3.01 / 2000))).SelectMany(t => (double[])[t * largest, -t * largest]))
        {
            double error = Math.Abs(density.Cumulative(x).Value - (lambda.Count(l => l <= x) / (double)lambda.Length));
            (worst, where) = error > worst ? (error, x) : (worst, where);
        }

        output.WriteLine($"worst {worst} at {where / largest} of {largest}; negative {density.Mass(double.NegativeInfinity, -1e-3 * largest).Value}");
        Assert.True(worst < 0.02, $"off by {worst} at {where}");
    }

    [Theory]
    [InlineData("hutchinson")]
    [InlineData("hutch++")]
    [InlineData("xtrace")]
    public void Every_trace_estimator_covers_the_exact_trace(string name)
    {
        double exact = digits.Eigenvalues.Sum();
        using MatrixOperator matrix = new(digits.Dense);
        Estimate[] estimates = [.. Enumerable.Range(0, 30).Select(seed =>
            KnownTraceEstimators.Create(name, new EstimatorOptions { Products = 64, Seed = seed }).Estimate(matrix).Total)];
        double error = Math.Sqrt(estimates.Average(e => Math.Pow(e.Value - exact, 2)));
        output.WriteLine($"{name}: error {error / exact:p2}, stated {Math.Sqrt(estimates.Average(e => e.StandardError * e.StandardError)) / exact:p2}");
        Assert.InRange(estimates.Count(e => e.ConfidenceInterval() is var (low, high) && low <= exact && exact <= high), 25, 30);
        Assert.InRange(error / exact, 0, name == "hutchinson" ? 0.08 : 0.03);
    }

    [Fact]
    public void Nystrom_takes_the_gauss_newton_matrix_and_refuses_the_hessian_where_it_sees_negative_curvature()
    {
        using GgnOperator ggn = new(digits.Hessian.Objective);
        using Tensor dense = ggn.ToDense();
        using MatrixOperator matrix = new(dense.add(dense.t()).mul(0.5));
        double exact = matrix.ExactTrace!.Value;
        Estimate[] estimates = [.. Enumerable.Range(0, 30).Select(seed => new XNysTrace { Seed = seed }.Estimate(matrix).Total)];
        output.WriteLine($"error {Math.Sqrt(estimates.Average(e => Math.Pow(e.Value - exact, 2))) / exact:p3}, first {estimates[0]}");
        Assert.InRange(estimates.Count(e => e.ConfidenceInterval() is var (low, high) && low <= exact && exact <= high), 25, 30);
        using MatrixOperator negated = new(digits.Dense.neg());
        Assert.Throws<CurvatureException>(() => new XNysTrace().Estimate(negated));
    }

    [Fact]
    public void Norms_log_determinant_and_effective_dimension_agree_with_the_eigenvalues()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator matrix = new(digits.Dense.add(digits.Dense.t()).mul(0.5));
        double[] lambda = digits.Eigenvalues;
        Estimate frobenius = new FrobeniusNorm().Estimate(matrix);
        double exact = Math.Sqrt(lambda.Sum(l => l * l));
        Assert.InRange(exact, frobenius.Value - (4 * frobenius.StandardError), frobenius.Value + (4 * frobenius.StandardError));

        NormBound norm = new OperatorNorm { RelativeTolerance = 0.02 }.Estimate(matrix);
        output.WriteLine($"norm {lambda.Max(Math.Abs)} in {norm}");
        Assert.InRange(lambda.Max(Math.Abs), norm.Value * (1 - 1e-9), norm.UpperBound);

        double damping = 2 * -lambda.Min();
        FunctionTrace quadrature = new() { Steps = 80, MaxRuns = 16 };
        (string, FunctionEstimate, double)[] cases =
        [
            ("log-determinant", new LogDeterminant { Damping = damping, Quadrature = quadrature }.Estimate(matrix), lambda.Sum(l => Math.Log(l + damping))),
            ("effective dimension", new EffectiveDimension { Damping = damping, Quadrature = quadrature }.Estimate(matrix), lambda.Sum(l => l / (l + damping))),
            ("nuclear norm", new SchattenNorm { Quadrature = quadrature }.Estimate(matrix), lambda.Sum(Math.Abs)),
        ];
        foreach ((string what, FunctionEstimate found, double wanted) in cases)
        {
            output.WriteLine($"{what}: {wanted}, {found.Estimate}, quadrature {found.QuadratureError}");
            Assert.InRange(Math.Abs(found.Estimate.Value - wanted), 0, (4 * found.Estimate.StandardError) + found.QuadratureError);
        }
    }

    [Theory]
    [InlineData("hutchinson")]
    [InlineData("xdiag")]
    public void Every_diagonal_estimator_covers_the_exact_diagonal(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator matrix = new(digits.Dense);
        using DiagonalEstimate diagonal = KnownDiagonalEstimators.Create(name, new EstimatorOptions { Products = 128, Seed = 1 }).Estimate(matrix);
        Tensor exact = digits.Dense.diagonal();
        (Tensor low, Tensor high) = diagonal.ConfidenceIntervals();
        double covered = 1 - ((low.sub(exact).gt(1e-12).sum().ToDouble() + exact.sub(high).gt(1e-12).sum().ToDouble()) / exact.numel());
        double error = diagonal.Values.sub(exact).norm().ToDouble() / exact.norm().ToDouble();
        output.WriteLine($"{name}: covered {covered:p1}, relative error {error:p2}, stated {diagonal.RelativeError:p2}");
        Assert.InRange(covered, 0.90, 0.99);
        Assert.InRange(diagonal.RelativeError / error, 0.7, 1.4);
    }

    /// <summary>Network, data and the exact Hessian, computed once in float64.</summary>
    public sealed class Digits : IDisposable
    {
        private readonly DisposeScope _scope = NewDisposeScope();

        public Digits()
        {
            Dataset data = DataFile.Read(Repository.File("data/digits.csv.gz"), new DataOptions { Target = "-1", Scale = 1 / 16.0 });
            Sequential model = nn.Sequential(("fc1", nn.Linear(64, 32)), ("act", nn.Tanh()), ("fc2", nn.Linear(32, 10))).to(Here);
            IReadOnlyDictionary<string, Tensor> weights = SafetensorsFile.Read(Repository.File("data/digits-mlp.safetensors"));
            model.load_state_dict(new Dictionary<string, Tensor>(weights));
            model.to(ScalarType.Float64);
            Hessian = new HessianOperator(Objective.Supervised(model, new CrossEntropy(), data.Batches(512)));
            Dense = Hessian.ToDense();
            Eigenvalues = linalg.eigvalsh(Dense).cpu().data<double>().ToArray();
        }

        public HessianOperator Hessian { get; }

        public Tensor Dense { get; }

        public double[] Eigenvalues { get; }

        public void Dispose()
        {
            Hessian.Dispose();
            _scope.Dispose();
        }
    }
}
