using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Sharpness;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>A monitor in an ordinary training loop, and the file it writes.</summary>
internal static class WatchedTraining
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        const int BatchSize = 32;
        using DisposeScope scope = NewDisposeScope();
        manual_seed(1);
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using Dataset digits = all.Sample(all.Count - 1, seed: 1).To(ScalarType.Float32, CPU);
        using Dataset watched = digits.Sample(500, seed: 2);
        using nn.Module<Tensor, Tensor> model = new DigitsMlp();
        string? temporary = options.Out is null ? Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()) : null;
        string path = options.Out ?? temporary!;
        int epochs = options.Quick ? 2 : 100;

        #region loop
        CrossEntropy loss = new();
        using SGD sgd = optim.SGD(model.parameters(), 0.1, momentum: 0.9);
        using SharpnessMonitor monitor = new(Objective.Supervised(model, loss, watched.Batches(500)), new MonitorOptions
        {
            Path = path,
            Interval = 100, // a training of seconds; without it the clock decides
            Batches = Objective.Supervised(model, loss, watched.Batches(BatchSize)),
            LearningRate = _ => 0.1,
            Setting = OptimizerSetting.Of("sgd", momentum: 0.9),
        });
        long step = 0;
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            foreach (Batch batch in digits.Batches(BatchSize))
            {
                using DisposeScope inner = NewDisposeScope();
                sgd.zero_grad();
                loss.Value(model.call(batch.Inputs), batch.Targets).backward();
                sgd.step();
                monitor.Observe(step++, cancellation);
            }
        }
        #endregion

        Console.WriteLine($"{step} steps, {monitor.Observations} observations, {monitor.Overhead:P1} of the time of the training");
        IReadOnlyList<MonitorRecord> seen = MonitorFile.Read(path);
        foreach (MonitorRecord record in seen.Where((_, i) => i % ((seen.Count / 5) + 1) == 0))
        {
            Console.WriteLine($"step {record.Step,5}: loss {record.Loss:F4}, sharpness {record.Sharpness?.Value:F2} (edge {record.CriticalSharpness:F1}), batches {record.BatchSharpness!.Value:F2}, trace {record.Trace!.Value:F1}, alignment {record.Alignment:F2}");
        }

        if (temporary is not null)
        {
            File.Delete(temporary);
        }
    }
}
