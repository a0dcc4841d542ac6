using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Optimizers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// The digits network by Hessian-free steps over all digits: the loss, how well a step was foretold, the damping that follows, and the products spent. Beside it AdamW over the same digits, for as many steps as those products and
/// gradients are worth (a product counted as a gradient and a half).
/// </summary>
internal static class HessianFreeTraining
{
    private static readonly CrossEntropy Loss = new();

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        using Dataset digits = all.Sample(options.Quick ? 300 : all.Count, seed: 1);
        using IDisposable held = NewDisposeScope();
        double gradients = HessianFree(digits, steps: options.Quick ? 3 : 20, cancellation);
        AdamW(digits, (int)gradients, cancellation);
    }

    private static double HessianFree(Dataset digits, int steps, CancellationToken cancellation)
    {
        manual_seed(0);
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("digits-mlp");
        #region hessian-free
        using HessianFree optimizer = new(model.parameters()) { InitialDamping = 0.1, L2 = 1e-5 };
        for (int i = 1; i <= steps; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            double loss = optimizer.Step(() => model.call(digits.Inputs), digits.Targets, Loss).ToDouble();
            Console.WriteLine($"step {i,2}: loss {loss:F5} before it, reduction ratio {optimizer.ReductionRatio,5:F2}, damping {optimizer.Damping:G2}, {optimizer.Products} products so far");
        }
        #endregion

        Console.WriteLine($"loss {Value(model, digits):F5}, {optimizer.Rejections} steps not taken");
        return steps + (1.5 * optimizer.Products);
    }

    private static void AdamW(Dataset digits, int steps, CancellationToken cancellation)
    {
        manual_seed(0);
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("digits-mlp");
        using optim.Optimizer optimizer = optim.AdamW(model.parameters(), 0.03, weight_decay: 0);
        for (int i = 1; i <= steps; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            optimizer.zero_grad();
            Loss.Value(model.call(digits.Inputs), digits.Targets).backward();
            optimizer.step();
        }

        Console.WriteLine($"AdamW, rate 0.03, as many gradients ({steps}): loss {Value(model, digits):F5}");
    }

    private static double Value(nn.Module<Tensor, Tensor> model, Dataset digits)
    {
        using IDisposable noGrad = no_grad();
        return Loss.Value(model.call(digits.Inputs), digits.Targets).ToDouble();
    }
}
