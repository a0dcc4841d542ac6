using System.Diagnostics;
using System.Security.Cryptography;
using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Sharpness;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// What a monitor costs at its default interval: six epochs of a LeNet on the 60,000 images of Fashion-MNIST with one and without, from the same start in the same order, in turns of a hundred steps, so that what else the machine does slows
/// both alike. The networks end at the same bits, and it fails where the seconds of the processor are more than 10 % more with it.
/// </summary>
internal static class WatchedFashionMnist
{
    private const int BatchSize = 64, Watched = 512, Turn = 100;
    private const double Most = 0.1;

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset train = FashionMnist.Read("train", options.Quick ? 1280 : 60_000);
        using (Dataset few = train.Sample(10 * BatchSize, seed: 3))
        using (Training warm = new(few, 1, watched: true)) // what is compiled and loaded at first use belongs to neither training
        {
            warm.Advance(cancellation);
        }

        int epochs = options.Quick ? 1 : 6;
        using Training plain = new(train, epochs, watched: false), watched = new(train, epochs, watched: true);
        for (bool first = true, more = true; more; first = !first)
        {
            more = (first ? plain : watched).Advance(cancellation);
            more = (first ? watched : plain).Advance(cancellation) && more;
        }

        double ratio = watched.Seconds / plain.Seconds;
        Console.WriteLine(
            $"{plain.Steps:N0} steps in {plain.Seconds:F1} s of the processor, watched in {watched.Seconds:F1} s: {ratio - 1:P1} more; {watched.Monitor!.Observations} observations, {watched.Monitor.Overhead:P1} of the time of the training by the monitor's own clock");
        if (plain.Weights() != watched.Weights())
        {
            throw new CurvatureException("Watched and unwatched trainings ended at different weights; a monitor leaves a training alone.");
        }

        if (!options.Quick && ratio > 1 + Most)
        {
            throw new CurvatureException($"Watching took {ratio - 1:P1} of the training's time; the default is to stay below {Most:P0}.");
        }
    }

    /// <summary>A training that advances by turns.</summary>
    private sealed class Training : IDisposable
    {
        private readonly Dataset _some;
        private readonly nn.Module<Tensor, Tensor> _model;
        private readonly Adam _adam;
        private readonly CrossEntropy _loss = new();
        private readonly IEnumerator<Batch> _batches;
        private readonly Stopwatch _turns = new();

        public Training(Dataset train, int epochs, bool watched)
        {
            manual_seed(1);
            _some = train.Sample(Watched, seed: 2);
            _model = KnownNetworks.Create("lenet");
            _adam = optim.Adam(_model.parameters(), 0.002);
            _batches = Enumerable.Range(0, epochs).SelectMany(_ => train.Batches(BatchSize)).GetEnumerator();
            Monitor = watched ? new SharpnessMonitor(Objective.Supervised(_model, _loss, _some.Batches(Watched)), new MonitorOptions { Time = new RunningTime(_turns) }) : null;
        }

        public SharpnessMonitor? Monitor { get; }

        public double Seconds { get; private set; }

        public long Steps { get; private set; }

        /// <summary>A turn of steps.</summary>
        /// <returns>Whether there may be more.</returns>
        public bool Advance(CancellationToken cancellation)
        {
            TimeSpan start = Environment.CpuUsage.TotalTime;
            _turns.Start();
            bool more = true;
            for (int step = 0; step < Turn && (more = _batches.MoveNext()); step++)
            {
                using DisposeScope inner = NewDisposeScope();
                Batch batch = _batches.Current;
                _adam.zero_grad();
                _loss.Value(_model.call(batch.Inputs), batch.Targets).backward();
                _adam.step();
                Monitor?.Observe(Steps, cancellation);
                Steps++;
                cancellation.ThrowIfCancellationRequested();
            }

            _turns.Stop();
            Seconds += (Environment.CpuUsage.TotalTime - start).TotalSeconds;
            return more;
        }

        public string Weights()
        {
            using Tensor weights = cat([.. _model.parameters().Select(p => p.detach().reshape(-1))]);
            return Convert.ToHexString(SHA256.HashData(weights.bytes));
        }

        public void Dispose()
        {
            Monitor?.Dispose();
            _batches.Dispose();
            _adam.Dispose();
            _model.Dispose();
            _some.Dispose();
        }
    }

    /// <summary>The monitor's clock, which stands still while the other training has its turn.</summary>
    private sealed class RunningTime(Stopwatch turns) : TimeProvider
    {
        public override long TimestampFrequency => Stopwatch.Frequency;

        public override long GetTimestamp() => turns.ElapsedTicks;
    }
}
