using Curvature.Data;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Sharpness;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Sharpness;

/// <summary>Where an optimizer stands: on linear regression, whose Hessian, noise and gradients are known, and in words.</summary>
public sealed class StabilityTests
{
    private const int N = 256, P = 6;

    [Fact]
    public void Limits_are_those_of_the_rules_and_of_the_noise_that_linear_regression_has()
    {
        using DisposeScope scope = NewDisposeScope();
        (Dataset data, Func<IReadOnlyList<Batch>, Objective> over) = Regression();
        using Dataset owned = data;
        Tensor H = data.Inputs.t().mm(data.Inputs).mul(2.0 / N);
        (Tensor values, Tensor vectors) = linalg.eigh(H);
        double lambda = values.max().ToDouble();
        StabilitySummary found = new StabilityStudy(OptimizerSetting.Of("sgd", 0.1, batchSize: 4)) { Probes = P }.Measure(data, over, chunk: 100);
        Assert.Equal(lambda, found.Sharpness.Value, 1e-6 * lambda);
        Assert.Equal(2 / lambda, found.Limit, 1e-6);
        Assert.Equal(0.1 * lambda / 2, found.Ratio!.Value, 1e-6);
        Assert.Equal(20, found.CriticalSharpness!.Value, 1e-9);
        Assert.Equal([2 / lambda, 3.8 / lambda, 3.8 / (2.8 * lambda)], found.Limits.Take(3).Select(limit => limit.Rate), (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.Equal(H.trace().ToDouble(), found.Trace!.Value, 1e-9);

        // Of samples of rank one: Var u^T H_i u along the sharpest direction.
        Tensor along = data.Inputs.mv(vectors.select(1, P - 1)).square().mul(2);
        double variance = along.sub(along.mean()).square().sum().ToDouble() / (N - 1);
        Assert.InRange(found.Noise!.Along!.Value, variance - (4 * found.Noise.Along.StandardError), variance + (4 * found.Noise.Along.StandardError));
        StabilityLimit direction = Assert.Single(found.Limits, limit => limit.Condition.Contains("Var", StringComparison.Ordinal));
        Assert.Equal(2 / (lambda + (found.Noise.Along.Value * ((1 / 4.0) - (1.0 / N)) / lambda)), direction.Rate, 1e-9);

        StabilityLimit isotropic = Assert.Single(found.Limits, limit => limit.Condition == "2 tr H / E|H_B|²");
        double square = (found.Sharpness.Value * found.Sharpness.Value) + (P * found.Noise.Isotropic.Value * ((1 / 4.0) - (1.0 / N)));
        Assert.Equal(2 * found.Trace.Value / square, isotropic.Rate, 1e-12);

        // What is necessary lies above the exact threshold, the noise of the estimates aside.
        using SampleCurvatures samples = SampleCurvatures.FromFactors(data.Inputs.unsqueeze(1).mul(Math.Sqrt(2)));
        double exact = SgdThreshold.Of(samples, 4).Rate;
        Assert.All(found.Limits.Where(limit => limit.IsNoise && !limit.Condition.Contains("batch", StringComparison.Ordinal)), limit => Assert.True(limit.Rate > 0.9 * exact, $"{limit}, {exact}"));
        Assert.Equal(found.Limits.Where(limit => limit.IsNoise).Min(limit => limit.Rate), found.NoiseLimit!.Rate);

        StabilitySummary fast = found with { Setting = OptimizerSetting.Of("sgd", 0.1, 0.9, 4) };
        Assert.Equal(3.8 / lambda, fast.Limit, 1e-6);
        Assert.InRange(fast.NoiseLimit!.Rate, found.NoiseLimit.Rate / 10, fast.Limit);
        Assert.DoesNotContain(fast.Limits, limit => limit.Condition.Contains("batch", StringComparison.Ordinal)); // 2 / eta is not what momentum is about
    }

    [Theory]
    [InlineData(0.0, 3.0)]
    [InlineData(0.9, 3.0)]
    [InlineData(0.9, 1e-6)] // next to no noise: (2 + 2 beta) / lambda
    [InlineData(0.5, 40.0)]
    public void With_momentum_the_mean_square_shrinks_just_inside_the_limit_of_the_noise_and_grows_just_outside(double beta, double variance)
    {
        const double Lambda = 2;
        StabilitySummary summary = new()
        {
            Setting = OptimizerSetting.Of("sgd", momentum: beta, batchSize: 1),
            Sharpness = new Eigenvalue(Lambda, 0, true),
            Trace = Estimate.Exact(Lambda, 1),
            Noise = new HessianNoise(Estimate.Exact(variance, 1), null, Estimate.Exact(variance, 1)),
            Samples = long.MaxValue,
            Parameters = 1,
        };
        double limit = summary.NoiseLimit!.Rate;
        Assert.All(summary.Limits.Where(one => one.IsNoise), one => Assert.Equal(limit, one.Rate, 1e-12)); // of one direction both conditions are it
        Assert.True(After(0.99 * limit) < 1e-2, $"{After(0.99 * limit)}");
        Assert.True(After(1.01 * limit) > 1e2, $"{After(1.01 * limit)}");
        if (variance < 1e-3)
        {
            Assert.Equal((2 + (2 * beta)) / Lambda, limit, 1e-5);
        }

        // E x_t^2, E x_t x_{t-1} and E x_{t-1}^2 of x_{t+1} = (1 + beta - eta h) x_t - beta x_{t-1}, h of this mean and variance.
        double After(double eta)
        {
            double a = 1 + beta - (eta * Lambda), now = 1, mixed = 1, before = 1;
            for (int step = 0; step < 5000 && now < 1e100; step++)
            {
                double next = (((a * a) + (eta * eta * variance)) * now) + (beta * beta * before) - (2 * beta * a * mixed);
                (now, mixed, before) = (next, (a * now) - (beta * mixed), now);
            }

            return now;
        }
    }

    [Fact]
    public void An_adaptive_rule_sees_the_hessian_divided_by_its_gradients()
    {
        using DisposeScope scope = NewDisposeScope();
        (Dataset data, Func<IReadOnlyList<Batch>, Objective> over) = Regression();
        using Dataset owned = data;
        StabilitySummary found = new StabilityStudy(OptimizerSetting.Of("adam", 1e-3, batchSize: N)).Measure(data, over);
        Tensor g = over(data.Batches(N)).Gradient(), root = g.abs().add(1e-8).rsqrt();
        Tensor H = data.Inputs.t().mm(data.Inputs).mul(2.0 / N);
        double lambda = linalg.eigvalsh(H.mul(root.unsqueeze(0)).mul(root.unsqueeze(1))).max().ToDouble();
        Assert.Equal(lambda, found.PreconditionedSharpness!.Value, 1e-4 * lambda);
        Assert.Equal(38 / lambda, found.Limit, 1e-3 * found.Limit);
        Assert.Null(found.Noise);
        Assert.Contains(found.Limits, limit => limit.Rule.StartsWith("Adam", StringComparison.Ordinal) && limit.Rate == found.Limit);
    }

    [Theory]
    [InlineData(0.3, Severity.Warning, "Sharper than the edge of stability")]
    [InlineData(0.21, Severity.Info, "At the edge of stability")]
    [InlineData(0.1, Severity.Info, "Inside the edge of stability")]
    public void A_learning_rate_is_judged_against_two_over_the_sharpness(double rate, Severity severity, string verdict)
    {
        Finding finding = Assert.Single(KnownFindings.Examine(Summary(OptimizerSetting.Of("sgd", rate))), f => f.Id == "edge-of-stability");
        Assert.Equal(severity, finding.Severity);
        Assert.StartsWith(verdict, finding.Message, StringComparison.Ordinal);
        Assert.Equal(rate / 0.2, (double)finding.Evidence["ratio"]!, 1e-12);
        Assert.Equal(2 / rate, (double)finding.Evidence["critical_sharpness"]!, 1e-12);
    }

    [Fact]
    public void Noise_and_what_is_not_finite_become_findings()
    {
        SharpnessSummary noisy = Summary(OptimizerSetting.Of("sgd", 0.15, batchSize: 8));
        noisy = noisy with { Stability = noisy.Stability! with { BatchSharpness = new(new(20, 1, 9, 9), new(20, 1, 9, 9)) } };
        Finding finding = Assert.Single(KnownFindings.Examine(noisy), f => f.Id == "noisy-stability");
        Assert.Equal((Severity.Warning, "2 / batch sharpness"), (finding.Severity, finding.Evidence["condition"]));
        Assert.Equal(0.1, (double)finding.Evidence["limit"]!, 1e-12);

        SharpnessSummary broken = Summary(OptimizerSetting.Of("sgd", 0.15)) with { Eigenvalues = [] };
        broken = broken with { Stability = broken.Stability! with { Sharpness = new(double.NaN, 0, false) } };
        Assert.Equal(["non-finite"], KnownFindings.Examine(broken).Select(f => f.Id));
        Assert.DoesNotContain(KnownFindings.Examine(Summary(OptimizerSetting.Of("sgd"))), f => f.Id == "edge-of-stability"); // no rate, no verdict
    }

    [Fact]
    public void Settings_are_checked()
    {
        Assert.Equal(0.9, OptimizerSetting.Of("adam").Momentum);
        Assert.Contains("sgd, nesterov", Assert.Throws<CurvatureException>(() => OptimizerSetting.Of("lion")).Message, StringComparison.Ordinal);
        Assert.Throws<CurvatureException>(() => OptimizerSetting.Of("sgd", -1));
        Assert.Throws<CurvatureException>(() => OptimizerSetting.Of("sgd", momentum: 1));
        Assert.Throws<CurvatureException>(() => OptimizerSetting.Of("sgd", batchSize: 0));
    }

    private static SharpnessSummary Summary(OptimizerSetting setting) => new()
    {
        Parameters = 4,
        Stability = new StabilitySummary { Setting = setting, Sharpness = new Eigenvalue(10, 0, true), Samples = 100, Parameters = 4 },
    };

    /// <summary><c>mean (x^T w - y)^2</c>: <c>H_i = 2 x_i x_i^T</c>.</summary>
    private static (Dataset Data, Func<IReadOnlyList<Batch>, Objective> Over) Regression()
    {
        using Generator generator = new(9);
        Tensor x = empty([N, P], ScalarType.Float64).normal_(0, 1, generator).to(Here).mul(tensor([3.0, 1, 1, 0.5, 0.5, 0.2], device: Here));
        Tensor y = empty([N, 1], ScalarType.Float64).normal_(0, 1, generator).to(Here);
        Linear model = nn.Linear(P, 1, hasBias: false, dtype: ScalarType.Float64).to(Here);
        return (new Dataset(x, y, "regression"), batches => Objective.Supervised(model, new MeanSquaredError(), batches));
    }
}
