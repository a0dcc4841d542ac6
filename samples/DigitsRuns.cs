using System.Diagnostics;
using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>Trains the digits network from one start, over the same batches, by one optimizer after the other, and prints each one's best of some learning rates.</summary>
internal sealed class DigitsRuns : IDisposable
{
    private static readonly CrossEntropy Loss = new();
    private readonly DisposeScope _held = NewDisposeScope();
    private readonly Dataset _all, _digits;
    private readonly Batch[] _batches;
    private readonly int _steps;

    public DigitsRuns(SampleOptions options)
    {
        _all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        _digits = _all.Sample(options.Quick ? 300 : _all.Count, seed: 0);
        _batches = [.. _digits.Batches(128)];
        _steps = options.Quick ? 20 : 300;
        Console.WriteLine($"{"",-12} {"rate",6}  loss over all digits after steps (seconds)");
    }

    /// <summary>Prints the run whose last loss is lowest.</summary>
    /// <param name="name">Of the optimizer.</param>
    /// <param name="rates">Learning rates to try.</param>
    /// <param name="make">Makes an optimizer of a model and a rate, and its step.</param>
    /// <param name="cancellation">Ends between two steps.</param>
    public void Report(string name, double[] rates, Func<nn.Module<Tensor, Tensor>, double, (IDisposable, Action<Batch>)> make, CancellationToken cancellation)
    {
        (double Rate, List<(int Step, double Loss, double Seconds)> Points) best = rates
            .Select(rate => (rate, Train(model => make(model, rate), cancellation)))
            .MinBy(run => run.Item2[^1].Loss is var last && double.IsFinite(last) ? last : double.MaxValue);
        Console.WriteLine($"{name,-12} {best.Rate,6}  {string.Join("  ", best.Points.Select(p => $"{p.Step}: {p.Loss:F4} ({p.Seconds:F2})"))}");
    }

    public void Dispose()
    {
        _digits.Dispose();
        _all.Dispose();
        _held.Dispose();
    }

    private List<(int Step, double Loss, double Seconds)> Train(Func<nn.Module<Tensor, Tensor>, (IDisposable, Action<Batch>)> make, CancellationToken cancellation)
    {
        manual_seed(0);
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("digits-mlp");
        (IDisposable optimizer, Action<Batch> step) = make(model);
        List<(int Step, double Loss, double Seconds)> points = [];
        double seconds = 0;
        for (int i = 1; i <= _steps; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            long start = Stopwatch.GetTimestamp();
            step(_batches[i % _batches.Length]);
            seconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (i % (_steps / 5) == 0)
            {
                using IDisposable noGrad = no_grad();
                points.Add((i, Loss.Value(model.call(_digits.Inputs), _digits.Targets).ToDouble(), seconds));
            }
        }

        optimizer.Dispose();
        return points;
    }
}
