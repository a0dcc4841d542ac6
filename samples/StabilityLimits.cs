using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Sharpness;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>What the noise of mini-batches does to the largest stable rate: exactly, around a minimum, and by the law of random matrices.</summary>
internal static class StabilityLimits
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");

        #region threshold
        using Dataset some = all.Sample(options.Quick ? 10 : 60, seed: 1);
        using SampleCurvatures samples = SampleCurvatures.Of(Objective.Supervised(model.Module, new CrossEntropy(), some.Batches(1)), cancellation);
        foreach (int batch in (ReadOnlySpan<int>)[1, 4, 10, (int)some.Count])
        {
            SgdThreshold limit = SgdThreshold.Of(samples, batch, tolerance: 1e-4, cancellation: cancellation);
            Console.WriteLine(
                $"batches of {batch,2}: stable up to {limit.Rate:F3}; {limit.Sufficient:F3} is enough, above {limit.Trace:F3} (trace) and {limit.FullBatch:F3} (full batch) it cannot be");
        }
        #endregion

        #region law
        using Dataset digits = all.Sample(options.Quick ? 400 : all.Count, seed: 1);
        BatchSizeStudy study = new() { Sizes = options.Quick ? [32, 128] : [32, 128, 512], Draws = options.Quick ? 2 : 6, Seed = 1 };
        BatchSizeMeasurement found = study.Measure(digits, batches => Objective.Supervised(model.Module, new CrossEntropy(), batches), cancellation: cancellation);
        foreach (BatchEigenvalues size in found.Measured)
        {
            int b = size.BatchSize;
            Console.WriteLine(
                $"batches of {b,3}: lambda_max {size.Largest.Value:F2} +- {size.Largest.StandardError:F2}, predicted {found.Directional.LargestAt(b):F2} (isotropic noise: {found.Isotropic.LargestAt(b):F2}); stable up to {found.Directional.MaximalRate(b):F2}");
        }
        #endregion
    }
}
