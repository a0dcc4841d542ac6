using Curvature.Data;
using Curvature.Kronecker;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Kronecker;

/// <summary>Against Bayesian linear regression, where the approximation is exact, and against its definition elsewhere.</summary>
public sealed class LaplacePosteriorTests
{
    private const int N = 23, D = 4;
    private const double Tau = 0.7;

    private static readonly KfacOptions Exact = new() { Gradients = FactorGradients.Exact };

    [Theory]
    [InlineData(Reduction.Mean)]
    [InlineData(Reduction.Sum)]
    public void Linear_regression_has_its_posterior_and_evidence_in_closed_form(Reduction reduction)
    {
        using DisposeScope scope = NewDisposeScope();
        (Linear model, Tensor X, Tensor y) = Regression();
        Objective objective = Of(model, X, y, reduction);
        using KfacOperator kfac = KfacOperator.Of(objective, model, Exact);
        using LaplacePosterior posterior = new(kfac, objective, Tau);

        // Likelihood N(z, 1/2): precision 2 X^T X + tau I, with a column of ones for the bias; y ~ N(0, I / 2 + X X^T / tau).
        Tensor withOnes = cat([X, ones(N, 1, ScalarType.Float64, device: Here)], 1);
        Tensor precision = withOnes.t().mm(withOnes).mul(2).add(eye(D + 1, D + 1, ScalarType.Float64, device: Here).mul(Tau));
        Tensor Sigma = linalg.inv(precision);
        AssertClose(Sigma, posterior.Covariance.ToDense(), 1e-10);
        AssertClose(withOnes.mm(Sigma).mul(withOnes).sum(dim: 1), posterior.OutputCovariance(model.call, X).reshape(-1), 1e-10);

        Tensor marginal = withOnes.mm(withOnes.t()).div(Tau).add(eye(N, N, ScalarType.Float64, device: Here).div(2));
        double logDeterminant = linalg.eigvalsh(marginal).log().sum().ToDouble();
        double exact = -0.5 * (y.t().mm(linalg.inv(marginal)).mm(y).ToDouble() + logDeterminant + (N * Math.Log(2 * Math.PI)));
        Assert.Equal(exact, posterior.LogEvidence - (N * Math.Log(Math.PI) / 2), 1e-8);
    }

    [Fact]
    public void Output_covariances_are_those_of_the_linearised_network()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        nn.Module<Tensor, Tensor> model = nn.Sequential(("fc1", KroneckerCases.Linear(3, 4)), ("tanh", nn.Tanh()), ("fc2", KroneckerCases.Linear(4, 2))).to(Here);
        Tensor X = randn([6, 3], ScalarType.Float64).to(Here);
        Objective objective = Objective.Supervised(model, new CrossEntropy(), [new Batch(X, KroneckerCases.Labels(2, 6))]);
        using KfacOperator kfac = KfacOperator.Of(objective, model, Exact);
        using LaplacePosterior posterior = new(kfac, objective, 3);
        using JacobianOperator jacobian = new(objective);

        Tensor J = jacobian.ToDense();
        Tensor precision = kfac.ToDense().mul(6).add(eye(kfac.Rows, kfac.Rows, ScalarType.Float64, device: Here).mul(3));
        Tensor all = J.mm(linalg.inv(precision)).mm(J.t()).reshape(6, 2, 6, 2);
        Tensor actual = posterior.OutputCovariance(model.call, X);
        for (long n = 0; n < 6; n++)
        {
            AssertClose(all.select(2, n).select(0, n), actual.select(0, n), 1e-10);
        }
    }

    [Fact]
    public void The_best_prior_has_the_largest_evidence_for_any_kind_of_curvature()
    {
        using DisposeScope scope = NewDisposeScope();
        (Linear model, Tensor X, Tensor y) = Regression();
        Objective objective = Of(model, X, y, Reduction.Mean);
        using KfacFactors factors = KfacFactors.Of(objective, model, Exact);
        using KfacOperator kfac = new(factors);
        using EkfacOperator ekfac = EkfacOperator.Of(factors, objective);
        using Tensor diagonal = kfac.ToDense().diagonal();
        using DiagonalCurvatureOperator diag = new(objective.Parameters, diagonal);
        foreach (LayerwiseOperator curvature in new LayerwiseOperator[] { kfac, ekfac, diag })
        {
            using LaplacePosterior start = new(curvature, objective, 1), best = start.WithBestPrior();
            foreach (double factor in new[] { 0.5, 0.9, 1.1, 2 })
            {
                using LaplacePosterior other = best.WithPrior(best.PriorPrecision * factor);
                Assert.True(other.LogEvidence < best.LogEvidence, $"{curvature.GetType().Name}: {other.LogEvidence} at {factor} times, {best.LogEvidence} at the best");
            }
        }
    }

    [Fact]
    public void A_diagonal_is_itself_and_its_evidence_a_sum_over_its_entries()
    {
        using DisposeScope scope = NewDisposeScope();
        (Linear model, Tensor X, Tensor y) = Regression();
        Objective objective = Of(model, X, y, Reduction.Mean);
        Tensor d = arange(D + 1, ScalarType.Float64, device: Here).add(1);
        using DiagonalCurvatureOperator diagonal = new(objective.Parameters, d);
        AssertClose(d.diag(), diagonal.ToDense(), 0);
        Assert.Equal(15, diagonal.ExactTrace!.Value, 1e-12);
        Assert.Equal(["weight", "bias"], diagonal.Registration.Parameters.Select(p => p.Name));

        using LaplacePosterior posterior = new(diagonal, objective, Tau);
        using Tensor theta = objective.Parameters.Snapshot();
        double expected = posterior.LogLikelihood - (Tau / 2 * theta.square().sum().ToDouble()) + Enumerable.Range(1, D + 1).Sum(i => 0.5 * Math.Log(Tau / ((N * i) + Tau)));
        Assert.Equal(expected, posterior.LogEvidence, 1e-9);
        Assert.Equal(-N * objective.Value(), posterior.LogLikelihood, 1e-9);
    }

    [Fact]
    public void What_makes_no_sense_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        (Linear model, Tensor X, Tensor y) = Regression();
        Objective objective = Of(model, X, y, Reduction.Mean);
        using KfacOperator kfac = KfacOperator.Of(objective, model);
        foreach (double tau in new[] { 0, -1, double.NaN, double.PositiveInfinity })
        {
            Assert.Contains("positive and finite", Assert.Throws<CurvatureException>(() => new LaplacePosterior(kfac, objective, tau)).Message, StringComparison.Ordinal);
        }

        model.bias!.requires_grad = false;
        Assert.Contains("frozen", Assert.Throws<CurvatureException>(() => new LaplacePosterior(kfac, objective)).Message, StringComparison.Ordinal);
        model.bias!.requires_grad = true;
        Objective decayed = Objective.Supervised(model, new MeanSquaredError(), [new Batch(X, y)], l2: 0.1);
        Assert.Contains("l2: 0", Assert.Throws<CurvatureException>(() => new LaplacePosterior(kfac, decayed)).Message, StringComparison.Ordinal);
        Objective part = Objective.Supervised(model, new MeanSquaredError(), [new Batch(X, y)], ParameterSpace.Of(model, "weight"));
        Assert.Contains("other parameters", Assert.Throws<CurvatureException>(() => new LaplacePosterior(kfac, part)).Message, StringComparison.Ordinal);

        Assert.Contains("least entry", Assert.Throws<CurvatureException>(() => new DiagonalCurvatureOperator(objective.Parameters, full(D + 1, -1.0, ScalarType.Float64, device: Here))).Message, StringComparison.Ordinal);
        Assert.Throws<NonFiniteException>(() => new DiagonalCurvatureOperator(objective.Parameters, full(D + 1, double.NaN, ScalarType.Float64, device: Here)));
        Assert.Contains("[5]", Assert.Throws<CurvatureException>(() => new DiagonalCurvatureOperator(objective.Parameters, ones(D, ScalarType.Float64, device: Here))).Message, StringComparison.Ordinal);
    }

    /// <summary>A linear model at the minimum of the penalised squared error, the mean of the posterior.</summary>
    private static (Linear Model, Tensor X, Tensor Y) Regression()
    {
        random.manual_seed(0);
        Linear model = KroneckerCases.Linear(D, 1);
        Tensor X = randn([N, D], ScalarType.Float64).to(Here), y = X.sum(dim: 1, keepdim: true).add(randn([N, 1], ScalarType.Float64).to(Here));
        Tensor withOnes = cat([X, ones(N, 1, ScalarType.Float64, device: Here)], 1);
        Tensor precision = withOnes.t().mm(withOnes).mul(2).add(eye(D + 1, D + 1, ScalarType.Float64, device: Here).mul(Tau));
        ParameterSpace.Of(model).Assign(linalg.inv(precision).mm(withOnes.t().mm(y).mul(2)).reshape(-1));
        return (model, X, y);
    }

    private static Objective Of(Linear model, Tensor X, Tensor y, Reduction reduction) =>
        Objective.Supervised(model, new MeanSquaredError(new LossOptions { Reduction = reduction }), [new Batch(X[..9], y[..9]), new Batch(X[9..], y[9..])]);

    private static void AssertClose(Tensor expected, Tensor actual, double tolerance) =>
        Assert.True(expected.sub(actual).abs().max().ToDouble() <= tolerance * (1 + expected.abs().max().ToDouble()), $"off by {expected.sub(actual).abs().max().ToDouble()}");
}
