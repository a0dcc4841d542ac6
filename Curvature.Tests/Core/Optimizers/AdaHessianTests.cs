using Curvature.Optimizers;
using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Optimizers;

/// <summary>AdaHessian by hand, its averages and its forms of a step.</summary>
public sealed class AdaHessianTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(0.5, 1)]
    [InlineData(1, 3)]
    public void First_steps_are_those_computed_by_hand(double power, int interval)
    {
        using DisposeScope scope = NewDisposeScope();
        double[,] A = { { 2, 0.5 }, { 0.5, 1 } };
        double[] theta = [1, -2], m = [0, 0], v = [0, 0], D = [0, 0];
        Parameter parameter = new(tensor(theta, device: Here));
        AdaHessianOptions options = new() { LearningRate = 0.1, HessianPower = power, WeightDecay = 0.05, Beta1 = 0.8, Beta2 = 0.9 };
        using AdaHessian optimizer = new([parameter], options) { UpdateInterval = interval, Seed = 5 };
        for (int t = 1; t <= 5; t++)
        {
            optimizer.Step(() => parameter.dot(tensor(A, device: Here).mv(parameter)).mul(0.5));
            double[] z = Probes.Draw(ProbeKind.Rademacher, 2, t - 1, 1, 5, ScalarType.Float64, Here).reshape(-1).cpu().data<double>().ToArray();
            double[] g = [(A[0, 0] * theta[0]) + (A[0, 1] * theta[1]), (A[1, 0] * theta[0]) + (A[1, 1] * theta[1])];
            for (int i = 0; i < 2; i++)
            {
                D[i] = (t - 1) % interval == 0 ? z[i] * ((A[i, 0] * z[0]) + (A[i, 1] * z[1])) : D[i];
                m[i] = (0.8 * m[i]) + (0.2 * g[i]);
                v[i] = (0.9 * v[i]) + (0.1 * D[i] * D[i]);
                double mean = m[i] / (1 - Math.Pow(0.8, t)), root = Math.Pow(v[i] / (1 - Math.Pow(0.9, t)), power / 2);
                theta[i] -= 0.1 * ((mean / (root + 1e-4)) + (0.05 * theta[i]));
            }

            Assert.Equal(theta[0], parameter[0].ToDouble(), 1e-12);
            Assert.Equal(theta[1], parameter[1].ToDouble(), 1e-12);
        }
    }

    [Theory]
    [InlineData(SpatialAveraging.None, false, new[] { 3.0, -1, 5, 1 })]
    [InlineData(SpatialAveraging.KernelAndRows, false, new[] { 1.0, 1, 3, 3 })]
    [InlineData(SpatialAveraging.KernelAndRows, true, new[] { 2.0, 2, 3, 3 })]
    [InlineData(SpatialAveraging.Kernel, false, new[] { 3.0, -1, 5, 1 })]
    [InlineData(SpatialAveraging.Blocks, false, new[] { 2.0, 2, 2, 2 })]
    public void Matrices_are_averaged_by_rows_or_blocks_signed_or_not(SpatialAveraging rule, bool absolute, double[] expected) =>
        Averages([2, 2], rule, absolute, expected);

    [Theory]
    [InlineData(SpatialAveraging.Kernel, new[] { 2.0, 2, 2, 2 })]
    [InlineData(SpatialAveraging.KernelAndRows, new[] { 2.0, 2, 2, 2 })]
    [InlineData(SpatialAveraging.None, new[] { 3.0, -1, 5, 1 })]
    public void Kernels_of_one_to_three_dimensions_are_averaged_whole(SpatialAveraging rule, double[] expected)
    {
        Averages([1, 1, 4], rule, false, expected);
        Averages([1, 1, 2, 2], rule, false, expected);
        Averages([1, 1, 2, 1, 2], rule, false, expected);
        Averages([4], rule, false, [3, -1, 5, 1]);
    }

    [Fact]
    public void Forms_of_a_step_agree_and_parts_of_a_batch_are_the_whole()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = randn([7, 2], ScalarType.Float64).to(Here), y = randn([7], ScalarType.Float64).to(Here);
        Tensor Run(Action<AdaHessian, Func<int, int, Tensor>> step)
        {
            Parameter w = new(tensor([0.5, -1.0], device: Here));
            using AdaHessian optimizer = new([w]) { Seed = 3 };
            for (int t = 0; t < 4; t++)
            {
                step(optimizer, (first, count) => x.narrow(0, first, count).mv(w).tanh());
            }

            return w.detach().clone();
        }

        Tensor Value(Tensor z, int first, int count) => Descent.Loss.Value(z, y.narrow(0, first, count));
        Tensor whole = Run((o, z) => o.Step(() => Value(z(0, 7), 0, 7)));
        Assert.True(whole.Equals(Run((o, z) => o.step(() => Value(z(0, 7), 0, 7)))));
        Assert.True(whole.Equals(Run((o, z) => o.Step(() => z(0, 7), y, Descent.Loss))));
        Assert.True(whole.allclose(Run((o, z) => o.Step([() => Value(z(0, 4), 0, 4).mul(4 / 7.0), () => Value(z(4, 3), 4, 3).mul(3 / 7.0)])), 1e-12, 1e-12));
        Assert.True(whole.allclose(Run((o, z) => o.Step([(() => z(0, 4), y[..4]), (() => z(4, 3), y[4..])], Descent.Loss)), 1e-12, 1e-12));
        Assert.False(whole.allclose(Run((o, z) => o.Step(() => Value(z(0, 7), 0, 7), () => Value(z(0, 3), 0, 3))), 1e-6, 1e-6));
    }

    [Fact]
    public void A_curvature_of_ones_own_and_its_value_by_more_samples()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter w = new(tensor([1.0, 2.0], device: Here));
        using AdaHessian own = new([w], new AdaHessianOptions { LearningRate = 1, Epsilon = 0 }, new DelegateSource(_ => [tensor([2.0, 8.0], device: Here)]));
        own.Step(() => w.mul(tensor([2.0, 8.0], device: Here)).mul(w).sum().mul(0.5)); // Newton's step
        Assert.Equal(0, w.abs().max().ToDouble(), 1e-12);

        Assert.Throws<CurvatureException>(() => new HutchinsonSource(samples: 0));
        using AdaHessian wrong = new([w], source: new DelegateSource(_ => []));
        Assert.Contains("1 parts", Assert.Throws<CurvatureException>(() => wrong.Step(() => w.square().sum())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Losses_and_options_that_make_no_step_are_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter w = new(randn([1, 1, 4, 4], ScalarType.Float64).to(Here));
        using AdaHessian optimizer = new([w]);
        Assert.Throws<CurvatureException>(() => optimizer.Step(() => w.mul(1)));
        Assert.Contains(
            "Block",
            Assert.Throws<CurvatureException>(() => new AdaHessian([w], new AdaHessianOptions { Averaging = SpatialAveraging.Blocks, BlockSize = 3 }).Step(() => w.square().sum())).Message,
            StringComparison.Ordinal);
        Assert.Contains("Beta1", Assert.Throws<CurvatureException>(() => new AdaHessian([w], new AdaHessianOptions { Beta1 = 1 })).Message, StringComparison.Ordinal);
    }

    private static void Averages(long[] shape, SpatialAveraging rule, bool absolute, double[] expected)
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter w = new(zeros(shape, ScalarType.Float64, device: Here));
        AdaHessianOptions options = new() { LearningRate = 1, Epsilon = 0, Averaging = rule, AbsoluteFirst = absolute, BlockSize = 4 };
        using AdaHessian optimizer = new([w], options, new DelegateSource(_ => [tensor([3.0, -1, 5, 1], device: Here).reshape(shape)]));
        optimizer.Step(() => w.sum());

        // theta = -g / |D| with g = 1
        Assert.All(w.reshape(-1).cpu().data<double>().ToArray().Zip(expected), pair => Assert.Equal(-1 / Math.Abs(pair.Second), pair.First, 1e-12));
    }
}
