using Curvature.Krylov;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Sharpness;

/// <summary>Limits against the rules themselves, run on a quadratic just inside and just outside.</summary>
public sealed class StableRatesTests
{
    [Theory]
    [InlineData(0.0)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    [InlineData(0.99)]
    public void Just_inside_the_limit_a_rule_stays_bounded_and_just_outside_it_diverges(double beta)
    {
        const double Lambda = 3.7;
        Around(StableRates.HeavyBall(Lambda, beta), (eta, theta, v) =>
        {
            double next = (beta * v) + (Lambda * theta);
            return (theta - (eta * next), next);
        });
        Around(StableRates.Nesterov(Lambda, beta), (eta, theta, v) =>
        {
            double g = Lambda * theta, next = (beta * v) + g;
            return (theta - (eta * (g + (beta * next))), next);
        });
        Around(StableRates.Adam(Lambda, beta), (eta, theta, m) =>
        {
            double next = (beta * m) + ((1 - beta) * Lambda * theta);
            return (theta - (eta * next), next);
        });
        Assert.Equal(StableRates.HeavyBall(Lambda, 0), StableRates.GradientDescent(Lambda));
        Assert.Equal(2 / Lambda, StableRates.Nesterov(Lambda, 0), 1e-15);
    }

    [Fact]
    public void TorchSharps_momentum_has_the_limit_of_the_rule_named_after_it()
    {
        using DisposeScope scope = NewDisposeScope();
        double[] ends = [.. new[] { 0.99, 1.01 }.Select(factor =>
        {
            Parameter theta = new(ones(1, ScalarType.Float64, device: Here));
            using SGD sgd = optim.SGD([theta], factor * StableRates.HeavyBall(4, 0.8), momentum: 0.8);
            for (int i = 0; i < 3000; i++)
            {
                using DisposeScope step = NewDisposeScope();
                sgd.zero_grad();
                theta.square().mul(2).sum().backward();
                sgd.step();
            }

            return theta.abs().sum().ToDouble();
        })];
        Assert.True(ends[0] < 1e-6, $"{ends[0]}");
        Assert.True(ends[1] > 1e6, $"{ends[1]}");
    }

    [Fact]
    public void A_preconditioned_hessian_has_the_eigenvalues_of_its_product_with_the_inverse()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor p = rand(30, ScalarType.Float64, generator: new Generator(3)).to(Here).add(0.1);
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Enumerable.Range(1, 30).Select(i => (double)i)], 2);
        using DiagonalOperator root = new(p.pow(-0.5));
        using CongruenceOperator seen = new(a, root);
        Tensor L = linalg.cholesky(a.ToDense()), direct = linalg.eigvalsh(L.t().mm(p.pow(-1).diag()).mm(L)); // of A^(1/2) P^-1 A^(1/2), so of P^-1 A
        Tensor dense = root.ToDense().t().mm(a.ToDense()).mm(root.ToDense());
        Assert.True(Matrices.RelativeDifference(seen.ToDense(), dense) < 1e-14);
        using Eigenpairs pairs = new LanczosEigensolver { Count = 1, Tolerance = 1e-10 }.Solve(seen);
        Assert.Equal(direct.max().ToDouble(), pairs.Values[0].Value, 1e-8 * pairs.Values[0].Value);
        Assert.Throws<CurvatureException>(() => new CongruenceOperator(new MatrixOperator(randn(3, 4).to(Here)), new MatrixOperator(randn(4, 4).to(Here))));
        Assert.Contains("Float32", Assert.Throws<CurvatureException>(() => new CongruenceOperator(a, new DiagonalOperator(ones(30, device: Here)))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_nothing_curves_upwards_there_is_no_limit_and_what_makes_no_sense_is_refused()
    {
        Assert.Equal(double.PositiveInfinity, StableRates.GradientDescent(0));
        Assert.Equal(double.PositiveInfinity, StableRates.Adam(-1));
        Assert.Throws<CurvatureException>(() => StableRates.GradientDescent(double.NaN));
        Assert.Throws<CurvatureException>(() => StableRates.HeavyBall(1, 1));
        Assert.Throws<CurvatureException>(() => StableRates.Nesterov(1, -0.1));
    }

    private static void Around(double limit, Func<double, double, double, (double Theta, double State)> rule)
    {
        double End(double eta)
        {
            (double theta, double state) = (1, 0);
            for (int i = 0; i < 20_000 && Math.Abs(theta) < 1e9; i++)
            {
                (theta, state) = rule(eta, theta, state);
            }

            return Math.Abs(theta);
        }

        Assert.True(End(0.99 * limit) < 1);
        Assert.True(End(1.01 * limit) > 1e6);
    }
}
