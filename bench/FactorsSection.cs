using Curvature.Bench.Networks;
using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Kronecker;
using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// What KFAC costs on one batch of 256 inputs, as multiples of one gradient of the same objective: gathering (first batch, checks included), an update in training, a training step's own
/// backward pass with and without the factors taken from it, EKFAC, inverses and their product.
/// </summary>
internal static class FactorsSection
{
    public static void Run(BenchOptions options, TextWriter output)
    {
        foreach (int threads in options.Threads)
        {
            set_num_threads(threads);
            manual_seed(1);
            using nn.Module<Tensor, Tensor> lenet = KnownNetworks.Create("lenet"), mlp = new Mlp();
            Report("lenet", lenet, new Batch(randn(256, 1, 28, 28), randint(10, [256])), threads, options, output);
            Report("mlp", mlp, new Batch(randn(256, 784), randint(10, [256])), threads, options, output);
        }
    }

    private static void Report(string name, nn.Module<Tensor, Tensor> model, Batch batch, int threads, BenchOptions options, TextWriter output)
    {
        model.eval();
        CrossEntropy loss = new();
        Objective objective = Objective.Supervised(model, loss, [batch]);
        KfacOptions drawn = new(), exact = new() { Gradients = FactorGradients.Exact };
        using KfacFactors running = new(model), stepped = new(model);
        using KfacOperator kfac = KfacOperator.Of(objective, model);
        using KfacInverse inverse = kfac.Inverse(1e-3), eigen = kfac.Inverse(1e-3, DampingRule.ExactEigen);
        using Tensor v = randn(kfac.Columns);
        Timing[] timings = Timing.Interleaved(
            options.Quick,
            Timing.Of(() => objective.Gradient().Dispose()),
            Timing.Of(() => KfacOperator.Of(objective, model, drawn).Dispose()),
            Timing.Of(() => KfacOperator.Of(objective, model, exact).Dispose()),
            Timing.Of(() => EkfacOperator.Of(objective, model, drawn).Dispose()),
            Timing.Of(() =>
            {
                using DisposeScope scope = NewDisposeScope();
                running.Update(() => model.call(batch.Inputs), batch.Targets, loss);
            }),
            Timing.Of(() => Step(model, batch, loss, null)),
            Timing.Of(() => Step(model, batch, loss, stepped)),
            Timing.Of(() => kfac.Inverse(1e-3).Dispose()),
            Timing.Of(() => kfac.Inverse(1e-3, DampingRule.ExactEigen).Dispose()),
            Timing.Of(() => inverse.Apply(v).Dispose()),
            Timing.Of(() => eigen.Apply(v).Dispose()));
        string Ratio(int i) => timings[i].In(timings[0]);
        output.WriteLine(
            $"{name}, {kfac.Columns} parameters, threads {threads}: gradient {timings[0].Median * 1e3:F1} ms; kfac by a draw {Ratio(1)}, exact {Ratio(2)}, ekfac by a draw {Ratio(3)}; "
            + $"update {Ratio(4)}; training step {Ratio(5)}, with factors {Ratio(6)}; inverse pi-split {Ratio(7)}, exact {Ratio(8)}; its product {Ratio(9)}, {Ratio(10)}");
    }

    private static void Step(nn.Module<Tensor, Tensor> model, Batch batch, CrossEntropy loss, KfacFactors? factors)
    {
        using DisposeScope scope = NewDisposeScope();
        using LayerRecording? recording = factors?.Record();
        model.zero_grad();
        loss.Value(model.call(batch.Inputs), batch.Targets).backward();
        if (recording is not null)
        {
            factors!.Update(recording, batch.Inputs.shape[0]);
        }
    }
}
