using Curvature.Data;
using Curvature.Objectives;
using Curvature.Optimizers;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Optimizers;

/// <summary>Sophia by hand, and the expectation of its Gauss-Newton-Bartlett estimate.</summary>
public sealed class SophiaTests
{
    [Fact]
    public void First_steps_of_H_are_those_computed_by_hand()
    {
        using DisposeScope scope = NewDisposeScope();
        double[,] A = { { 2, 0.5 }, { 0.5, -1 } };
        double[] theta = [1, -2], m = [0, 0], h = [0, 0];
        Parameter parameter = new(tensor(theta, device: Here));
        using SophiaH optimizer = new([parameter], new SophiaOptions { LearningRate = 0.1, Gamma = 20, WeightDecay = 0.5 }) { UpdateInterval = 2, Seed = 5 };
        int clipped = 0;
        for (int t = 0; t < 6; t++)
        {
            optimizer.Step(() => parameter.dot(tensor(A, device: Here).mv(parameter)).mul(0.5));
            double[] z = Probes.Draw(ProbeKind.Gaussian, 2, t, 1, 5, ScalarType.Float64, Here).reshape(-1).cpu().data<double>().ToArray();
            double[] g = [(A[0, 0] * theta[0]) + (A[0, 1] * theta[1]), (A[1, 0] * theta[0]) + (A[1, 1] * theta[1])];
            int won = 0;
            for (int i = 0; i < 2; i++)
            {
                m[i] = (0.96 * m[i]) + (0.04 * g[i]);
                h[i] = t % 2 == 0 ? (0.99 * h[i]) + (0.01 * z[i] * ((A[i, 0] * z[0]) + (A[i, 1] * z[1]))) : h[i];
                double ratio = m[i] / Math.Max(20 * h[i], 1e-12);
                won += Math.Abs(m[i]) < 20 * h[i] ? 1 : 0;
                theta[i] = (theta[i] * (1 - (0.1 * 0.5))) - (0.1 * Math.Clamp(ratio, -1, 1));
                Assert.Equal(theta[i], parameter[i].ToDouble(), 1e-12);
            }

            clipped += 2 - won;
            Assert.Equal(won / 2.0, optimizer.WinRate);
        }

        Assert.InRange(clipped, 1, 11);
    }

    [Fact]
    public void First_step_of_G_is_that_computed_by_hand()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor x = tensor(new[,] { { 1.0, 2.0 }, { -1.0, 0.5 }, { 3.0, 1.0 } }, device: Here), y = tensor([1.0, 0, 2], device: Here), start = tensor([0.3, -0.2], device: Here);
        Parameter w = new(start.clone());
        using SophiaG optimizer = new([w], new SophiaOptions { LearningRate = 0.1, Gamma = 30 }) { Seed = 4 };
        optimizer.Step(() => x.mv(w), y, new MeanSquaredError());

        using OutputCurvature curvature = new MeanSquaredError().CurvatureAt(x.mv(start), y);
        using SampleNoise noise = SampleNoise.At(4, 0, 0);
        Tensor D = x.t().mv(curvature.SampleGradient(noise)).square(), g = x.t().mv(x.mv(start).sub(y)).mul(2 / 3.0);
        Tensor u = g.mul(0.04).div(D.mul(0.01 * 30)).clamp(-1, 1);
        Assert.True(w.allclose(start.mul(1 - 0.02).sub(u.mul(0.1)), 1e-12, 1e-12));
        Assert.Contains("Step(forward, targets, loss)", Assert.Throws<CurvatureException>(() => optimizer.Step(() => x.mv(w).sum())).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tanh-mlp cross-entropy")]
    [InlineData("gelu-mlp cross-entropy sum")]
    [InlineData("tanh-mlp mse")]
    [InlineData("silu-mlp weighted, ignored")]
    [InlineData("attention, tied head, masked targets")]
    public void The_estimate_of_G_has_the_Gauss_Newton_diagonal_as_its_mean_by_parts_too(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        Tensor expected = DenseCurvature.Ggn(problem).diagonal();
        const int Draws = 400;
        foreach (long[] sizes in new long[][] { [7], [4, 3] })
        {
            IReadOnlyList<Batch> batches = problem.Batches(sizes);
            GaussNewtonBartlett source = new();
            double terms = problem.Loss.Reduction == Reduction.Mean ? batches.Sum(b => problem.Loss.Terms(b.Targets)) : 0;
            Tensor sum = zeros_like(expected), squares = zeros_like(expected);
            for (int draw = 0; draw < Draws; draw++)
            {
                using DisposeScope inner = NewDisposeScope();
                Tensor total = zeros_like(expected);
                for (int part = 0; part < batches.Count; part++)
                {
                    Tensor outputs = problem.Model.call(batches[part].Inputs);
                    LossPass pass = new(outputs)
                    {
                        Outputs = outputs,
                        Targets = batches[part].Targets,
                        Criterion = (ICurvatureLoss)problem.Loss,
                        Weight = terms > 0 ? problem.Loss.Terms(batches[part].Targets) / terms : 1,
                        Parameters = problem.Parameters.Parameters,
                        Step = draw,
                        Part = part,
                        FirstRow = sizes[..part].Sum(),
                    };
                    total.add_(cat([.. source.Product(pass, [], 0, last: true).Select((p, i) => (p ?? zeros_like(problem.Parameters.Parameters[i])).reshape(-1))]));
                }

                Tensor D = source.Diagonal(total, null);
                sum.add_(D);
                squares.add_(D.square());
            }

            // Four standard errors, and what rounding leaves of an entry that is zero.
            Tensor mean = sum.div(Draws), error = squares.div(Draws).sub(mean.square()).clamp_min(0).div(Draws).sqrt();
            Assert.True(mean.sub(expected).abs().sub(error.mul(4)).max().ToDouble() < 1e-12);
        }
    }
}
