using Curvature.Samples.Study;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Samples;

/// <summary>The first-order optimizers that the study brings along, against their formulas written out in numbers.</summary>
public sealed class BaselinesTests
{
    [Fact]
    public void Lion_steps_by_the_sign_of_its_mean()
    {
        using Parameter theta = new(tensor([1.0, -2.0]));
        using Lion lion = new([theta], 0.1);

        // g = theta: m = 0.01 g; then 0.9 m + 0.1 g keeps the signs of (0.9, -1.9).
        Step(lion, theta, [1, 1]);
        Assert.Equal([0.9, -1.9], theta.data<double>().ToArray(), Near);

        // g = (-0.05, 0.05) theta: 0.009 - 0.0045 > 0 and -0.018 + 0.0095 < 0: the mean outweighs the new gradient.
        Step(lion, theta, [-0.05, -0.05]);
        Assert.Equal([0.8, -1.8], theta.data<double>().ToArray(), Near);
    }

    [Fact]
    public void Adan_steps_as_its_formula()
    {
        using Parameter theta = new(tensor([1.0, -2.0]));
        using Adan adan = new([theta], 0.1);
        (double[] x, double[] m, double[] v, double[] n, double[] before) = ([1.0, -2.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]);
        for (int t = 1; t <= 3; t++)
        {
            Step(adan, theta, [1, 3]);
            for (int i = 0; i < 2; i++)
            {
                double g = x[i] * (i == 0 ? 1 : 3), d = t == 1 ? 0 : g - before[i];
                m[i] += 0.02 * (g - m[i]);
                v[i] += 0.08 * (d - v[i]);
                n[i] += 0.01 * (((g + (0.92 * d)) * (g + (0.92 * d))) - n[i]);
                double root = Math.Sqrt(n[i] / (1 - Math.Pow(0.99, t))) + 1e-8;
                x[i] -= 0.1 * ((m[i] / (1 - Math.Pow(0.98, t))) + (0.92 * v[i] / (1 - Math.Pow(0.92, t)))) / root;
                before[i] = g;
            }

            Assert.Equal(x, theta.data<double>().ToArray(), Near);
        }
    }

    private static bool Near(double a, double b) => Math.Abs(a - b) < 1e-12;

    /// <summary>One step down <c>sum h theta^2 / 2</c>.</summary>
    private static void Step(optim.Optimizer optimizer, Parameter theta, double[] h)
    {
        using DisposeScope scope = NewDisposeScope();
        optimizer.zero_grad();
        (theta.square() * tensor(h)).sum().div(2).backward();
        optimizer.step();
    }
}
