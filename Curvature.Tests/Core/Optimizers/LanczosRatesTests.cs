using Curvature.Operators;
using Curvature.Optimizers;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Optimizers;

/// <summary>Learning rates and momenta from spectra that are known.</summary>
public sealed class LanczosRatesTests
{
    private static readonly double[] OneToHundred = [.. Enumerable.Range(0, 20).Select(i => Math.Pow(100, i / 19.0))];

    [Fact]
    public void On_a_quadratic_the_rates_are_the_closed_forms()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum(OneToHundred, 3);
        LanczosRates rates = LanczosRates.Of(a, steps: 30, seed: 1);
        Assert.Equal(20, rates.Products);
        Assert.Equal(1, rates.Smallest, 1e-6);
        Assert.Equal(100, rates.Largest, 1e-6);

        (double rate, double momentum) = rates.By(LanczosRule.Polyak);
        Assert.Equal((4 / 121.0, 81 / 121.0), (rate, momentum), Close);
        Assert.Equal((2 / 101.0, 0), rates.By(LanczosRule.GradientDescent), Close);
        Assert.Equal(((2 + (18 / 11.0)) / 100, 9 / 11.0), rates.By(LanczosRule.Published), Close); // sqrt(1 / 100) would diverge
        Assert.Equal(0.05, new LanczosRates(0.0025, 1, 0).By(LanczosRule.Published).LearningRate, 1e-12);
    }

    [Fact]
    public void Heavy_ball_converges_at_the_closed_rate_and_gradient_descent_at_its_own()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Equal(Math.Log(9 / 11.0), Slope(momentum: true), 0.02); // the root of the momentum, a step
        Assert.Equal(Math.Log(99 / 101.0), Slope(momentum: false), 0.002);
    }

    [Fact]
    public void The_crowd_at_zero_and_what_rounding_leaves_of_it_are_no_smallest_curvature()
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator crowded = Matrices.OperatorWithSpectrum([.. Enumerable.Repeat(1e-3, 90), 2, 3, 4, 5, -6], 4);
        using MatrixOperator singular = Matrices.OperatorWithSpectrum([.. Enumerable.Repeat(0.0, 30), 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34], 5);
        using MatrixOperator same = new(eye(5, dtype: ScalarType.Float64, device: Here).mul(3)), zero = new(zeros(4, 4, ScalarType.Float64, device: Here));
        Near((2, 6), LanczosRates.Of(crowded));
        Near((2, 34), LanczosRates.Of(singular, steps: 60));
        Near((3, 3), LanczosRates.Of(same));
        Assert.Contains("zero", Assert.Throws<CurvatureException>(() => LanczosRates.Of(zero)).Message, StringComparison.Ordinal);

        static void Near((double Smallest, double Largest) expected, LanczosRates rates)
        {
            Assert.Equal(expected.Smallest, rates.Smallest, 1e-5);
            Assert.Equal(expected.Largest, rates.Largest, 1e-5);
        }
    }

    [Fact]
    public void A_scheduler_refreshes_on_the_fly_and_sets_all_groups_of_any_optimizer()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter a = new(ones(3, ScalarType.Float64, device: Here)), b = new(ones(2, ScalarType.Float64, device: Here));
        using AdaHessian optimizer = new([a]);
        optimizer.add_param_group(new ParamGroup { Parameters = [b] });
        int made = 0;
        LinearOperator Matrix() => new DiagonalOperator(tensor(OneToHundred, device: Here).mul(++made));
        LanczosRateScheduler scheduler = new(optimizer, Matrix, interval: 3, factor: 0.5);
        foreach (int refreshes in (int[])[1, 1, 2, 2, 2, 3])
        {
            scheduler.step();
            Assert.Equal(refreshes, made);
            Assert.All(optimizer.ParamGroups, group => Assert.Equal(0.5 * 2 / 101 / refreshes, group.LearningRate, 1e-9)); // no momentum to set
        }

        Assert.Equal(60, scheduler.Products);
        Assert.Equal(0.5 * 2 / 303, scheduler.get_last_lr().First(), 1e-9);
        Assert.Throws<CurvatureException>(() => new LanczosRateScheduler(optimizer, Matrix, interval: 0));
    }

    /// <summary>The mean change of the error's logarithm a step, over the last of many steps down the quadratic.</summary>
    private static double Slope(bool momentum)
    {
        Tensor A = Matrices.WithSpectrum(OneToHundred, 3);
        Parameter w = new(ones(20, ScalarType.Float64, device: Here));
        using SGD optimizer = optim.SGD([w], 1.0);
        LanczosRateScheduler scheduler = new(optimizer, () => new MatrixOperator(A), rule: momentum ? null : LanczosRule.GradientDescent, factor: 1);
        Assert.Equal(momentum ? 81 / 121.0 : 0, optimizer.Momentum, 1e-6);
        (int first, int last) = momentum ? (60, 120) : (300, 600);
        double early = 0;
        for (int t = 1; t <= last; t++)
        {
            optimizer.zero_grad();
            w.dot(A.mv(w)).mul(0.5).backward();
            optimizer.step();
            scheduler.step();
            early = t == first ? w.norm().ToDouble() : early;
        }

        // Heavy ball's error is t b^(t/2) at the worst: the factor t is taken out.
        return Math.Log(w.norm().ToDouble() / early / (momentum ? (double)last / first : 1)) / (last - first);
    }

    private static bool Close((double Rate, double Momentum) a, (double Rate, double Momentum) b) => Math.Abs(a.Rate - b.Rate) < 1e-6 && Math.Abs(a.Momentum - b.Momentum) < 1e-6;
}
