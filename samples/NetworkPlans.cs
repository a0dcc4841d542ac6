using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;

namespace Curvature.Samples;

/// <summary>From a checkpoint to a plan that was measured: sensitivities of the digits network by every method, the plan each leads to, and the loss under it.</summary>
internal static class NetworkPlans
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using Dataset digits = all.Sample(options.Quick ? 256 : all.Count, seed: 0);
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");
        CrossEntropy loss = new();

        #region network
        QuantizableNetwork network = QuantizableNetwork.Of(model.Module, digits.Inputs.narrow(0, 0, 1)); // a sample, to count multiply-accumulates
        using SensitivityProblem problem = new(network, loss, digits.Batches(256), bits: [2, 3, 4, 8]);
        LayerTable table = new QuadraticSensitivity().Measure(problem, cancellation: cancellation);
        BitPlan plan = new ExactPlanner().Plan(new PlanningProblem(table), [Limit.AverageBits(3.5m)], cancellation);
        using (QuantizedWeights quantized = QuantizedWeights.Apply(network, plan.Assignment))
        {
            NetworkQuality quality = NetworkQuality.Of(model.Module, digits.Batches(256), loss, cancellation);
            Console.WriteLine($"{plan.SizeBytes:F0} bytes, loss {quality.Loss:F4} (foretold to rise by {plan.Objective:F4}), accuracy {quality.Accuracy:P1}");
        } // the weights are back, bit for bit
        #endregion

        Console.WriteLine($"float: loss {NetworkQuality.Of(model.Module, digits.Batches(256), loss, cancellation).Loss:F4}");
        LayerTable measured = new MeasuredSensitivity().Measure(problem, cancellation: cancellation);
        foreach (KnownSensitivity known in KnownSensitivities.All)
        {
            LayerTable other = KnownSensitivities.Create(known.Name).Measure(problem, cancellation: cancellation);
            BitPlan bits = new ExactPlanner().Plan(new PlanningProblem(other), [Limit.AverageBits(3.5m)], cancellation);
            Console.WriteLine($"{known.Name,-16} {string.Join(' ', bits.Bits)}   Kendall's tau at 2 bits {KendallTau.Between(other, measured, bits: 2).Value,5:F2}");
        }
    }
}
