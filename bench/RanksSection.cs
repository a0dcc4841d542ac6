using System.Diagnostics;
using System.Globalization;
using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Distributed;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Optimizers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// The trace of a LeNet's Hessian on Fashion-MNIST, and steps of optimizers on it and on a perceptron, by two ranks with a thread each under mpirun, beside one process with two threads, in turns: each turn is a process (or two) of
/// its own, which measures itself after a first pass.
/// </summary>
internal static class RanksSection
{
    private const string Folder = "/usr/share/datasets/fashion-mnist", Worker = "ranks-worker";
    private const long BatchSize = 250;

    /// <summary>Optimizers, of which network, and the steps before those that count, and these: KFAC's first ten each update its factors, and of the next ten one does, and another renews the inverses.</summary>
    private static readonly (string Name, Func<nn.Module<Tensor, Tensor>> Network, Func<nn.Module, OptimizerHelper> Make, int WarmUp, int Steps)[] Optimizers =
    [
        ("AdaHessian, LeNet", () => KnownNetworks.Create("lenet"), model => new AdaHessian(model.parameters()), 2, 10),
        ("KFAC, LeNet", () => KnownNetworks.Create("lenet"), model => new KfacOptimizer(model), 10, 10),
        ("M-FAC, LeNet", () => KnownNetworks.Create("lenet"), model => new MfacOptimizer(model.parameters()), 10, 10),
        ("KFAC renewed each step, MLP", Perceptron, model => new KfacOptimizer(model, null, new KfacSettings { FactorInterval = 1000, InverseInterval = 1 }), 2, 4),
        ("EKFAC renewed each step, MLP", Perceptron, model => new KfacOptimizer(model, null, KfacSettings.Ekfac with { FactorInterval = 1000, InverseInterval = 1 }), 2, 4),
    ];

    public static void Run(BenchOptions options, TextWriter output)
    {
        if (!Directory.Exists(Folder))
        {
            output.WriteLine($"skipped: Fashion-MNIST is not in {Folder} (Debian's package dataset-fashion-mnist)");
            return;
        }

        (int samples, int probes, int rounds, int stepRounds) = options.Quick ? (500, 8, 1, 1) : (2000, 16, 7, 3);
        output.WriteLine($"LeNet, {samples} images in batches of {BatchSize}, {probes} probes, {rounds} rounds; steps of optimizers in {stepRounds} of them");
        double[][] one = new double[rounds][], two = new double[rounds][];
        for (int i = 0; i < rounds; i++)
        {
            one[i] = Measured(1, threads: 2, samples, probes, withSteps: i < stepRounds);
            two[i] = Measured(2, threads: 1, samples, probes, withSteps: i < stepRounds);
        }

        Timing alone = new([.. one.Select(t => t[0])]), ranks = new([.. two.Select(t => t[0])]), sums = new([.. two.Select(t => t[1])]);
        output.WriteLine($"{"",-22} {"trace s",14}");
        output.WriteLine($"{"1 rank x 2 threads",-22} {$"{alone.Median:F2} ({alone.Spread:P0})",14}");
        output.WriteLine($"{"2 ranks x 1 thread",-22} {$"{ranks.Median:F2} ({ranks.Spread:P0})",14}   {ranks.Over(alone).Median:F3} of one rank's, {sums.Median:F3} s of it in sums over the ranks and waiting for the other; trace {one[0][2]:G6} and {two[0][2]:G6}");
        output.WriteLine();
        output.WriteLine($"{$"a step on {BatchSize} images, ms",-30} {"1 rank x 2 threads",20} {"2 ranks x 1 thread",20}");
        for (int k = 0; k < Optimizers.Length; k++)
        {
            Timing a = new([.. one.Take(stepRounds).Select(t => t[3 + k])]), b = new([.. two.Take(stepRounds).Select(t => t[3 + k])]);
            output.WriteLine($"{Optimizers[k].Name,-30} {$"{1000 * a.Median:F1} ({a.Spread:P0})",20} {$"{1000 * b.Median:F1} ({b.Spread:P0})",20}   {b.Over(a).Median:F2}");
        }
    }

    /// <summary>What a process of a turn does: seconds of the trace, those of them in sums, the trace, and where asked for seconds of each optimizer's step, on rank 0's output.</summary>
    public static int Work(int samples, int probes, bool withSteps) => Communicator.Run(mpi =>
    {
        TimedRanks ranks = new(mpi);
        manual_seed(1);
        using Dataset whole = DataFile.Read($"{Folder}/train-images-idx3-ubyte.gz,{Folder}/train-labels-idx1-ubyte.gz", new DataOptions { InputType = ScalarType.Float32 });
        using Dataset data = whole.Sample(samples, seed: 1);
        using nn.Module<Tensor, Tensor> model = KnownNetworks.Create("lenet");
        model.eval();
        using HessianOperator hessian = new(Objective.Supervised(model, new CrossEntropy(), Shard.Of(data, BatchSize, ranks), ranks: ranks));
        using (Tensor v = ones(hessian.Columns))
        {
            hessian.Apply(v).Dispose(); // graphs are kept from here on, and one-time checks are over
        }

        ranks.Barrier();
        ranks.Seconds = 0;
        long start = Stopwatch.GetTimestamp();
        Estimate trace = new HutchinsonTrace { MaxProbes = probes, Seed = 1 }.Estimate(hessian).Total;
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (ranks.Rank == 0)
        {
            Console.Write($"{Worker} {seconds:R} {ranks.Seconds:R} {trace.Value:R}");
        }

        foreach ((_, Func<nn.Module<Tensor, Tensor>> network, Func<nn.Module, OptimizerHelper> make, int warmUp, int steps) in withSteps ? Optimizers : [])
        {
            double step = SecondsOfStep(network, make, data, mpi, warmUp, steps);
            if (mpi.Rank == 0)
            {
                Console.Write($" {step:R}");
            }
        }

        if (mpi.Rank == 0)
        {
            Console.WriteLine();
        }

        return 0;
    });

    private static double SecondsOfStep(Func<nn.Module<Tensor, Tensor>> network, Func<nn.Module, OptimizerHelper> make, Dataset data, IRanks ranks, int warmUp, int steps)
    {
        manual_seed(1);
        using nn.Module<Tensor, Tensor> model = network();
        using OptimizerHelper optimizer = make(model);
        ((ICurvatureOptimizer)optimizer).Ranks = ranks;
        CrossEntropy loss = new();
        IReadOnlyList<Batch> batches = data.Batches(BatchSize);
        long start = 0;
        for (int i = 0; i < warmUp + steps; i++)
        {
            if (i == warmUp)
            {
                ranks.Barrier();
                start = Stopwatch.GetTimestamp();
            }

            using DisposeScope scope = NewDisposeScope();
            Batch own = Shard.Of(batches[i % batches.Count], ranks);
            ((ICurvatureOptimizer)optimizer).Step(() => model.call(own.Inputs), own.Targets, loss);
        }

        ranks.Barrier();
        return Stopwatch.GetElapsedTime(start).TotalSeconds / steps;
    }

    /// <summary>784-512-512-512-10.</summary>
    private static nn.Module<Tensor, Tensor> Perceptron() => nn.Sequential(
        ("flat", nn.Flatten()), ("fc1", nn.Linear(784, 512)), ("act1", nn.ReLU()), ("fc2", nn.Linear(512, 512)), ("act2", nn.ReLU()), ("fc3", nn.Linear(512, 512)), ("act3", nn.ReLU()), ("fc4", nn.Linear(512, 10)));

    private static double[] Measured(int ranks, int threads, int samples, int probes, bool withSteps)
    {
        string[] worker = ["dotnet", typeof(RanksSection).Assembly.Location, Worker, samples.ToString(CultureInfo.InvariantCulture), probes.ToString(CultureInfo.InvariantCulture), withSteps ? "steps" : "trace"];
        string[] command = ranks == 1 ? worker : ["mpirun", "--bind-to", "core", "-n", ranks.ToString(CultureInfo.InvariantCulture), .. worker];
        ProcessStartInfo start = new(command[0], command.AsSpan(1).ToArray()) { RedirectStandardOutput = true };
        start.Environment["OMP_NUM_THREADS"] = threads.ToString(CultureInfo.InvariantCulture);
        start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        using Process process = Process.Start(start)!;
        string text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        string line = text.Split('\n').Select(line => line[Math.Max(0, line.IndexOf(Worker, StringComparison.Ordinal))..]).FirstOrDefault(line => line.StartsWith(Worker, StringComparison.Ordinal))
            ?? throw new InvalidOperationException($"{command[0]} ended with {process.ExitCode} and without a time.");
        return [.. line.Split(' ').Skip(1).Select(number => double.Parse(number, CultureInfo.InvariantCulture))];
    }

    /// <summary>Ranks that count the seconds of their sums.</summary>
    private sealed class TimedRanks(IRanks ranks) : IRanks
    {
        public double Seconds { get; set; }

        public int Rank => ranks.Rank;

        public int Count => ranks.Count;

        public int OnThisMachine => ranks.OnThisMachine;

        public void Sum(Tensor values)
        {
            long start = Stopwatch.GetTimestamp();
            ranks.Sum(values);
            Seconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        public void Barrier() => ranks.Barrier();
    }
}
