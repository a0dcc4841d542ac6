using System.Diagnostics;
using System.Text.Json;
using Curvature.Distributed;
using Curvature.Objectives;
using Curvature.Optimizers;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

/// <summary>What the tests run under mpirun: <c>dotnet Curvature.Tests.dll ranks battery FILE | estimators FILE | optimizers FILE | save FILE | resume FILE FILE | fail | fail-training | kill</c>.</summary>
internal static class RankProgram
{
    public static int Run(string[] arguments) => Communicator.Run(ranks => arguments switch
    {
        ["battery", string file] => Battery(ranks, file, ranks => RankBattery.Measure(ranks)),
        ["estimators", string file] => Battery(ranks, file, ranks => RankBattery.MeasureEstimators(ranks, null)),
        ["optimizers", string file] => Battery(ranks, file, OptimizerBattery.Measure),
        ["save", string file] => Train(ranks, null, file),
        ["resume", string saved, string file] => Train(ranks, saved, file),
        ["fail"] => Fail(ranks),
        ["fail-training"] => FailTraining(ranks),
        ["kill"] => Kill(ranks),
        _ => 2,
    });

    /// <summary>Checks the collectives, then writes what <see cref="RankBattery"/> gives on rank 0, having found the same bits on the others.</summary>
    private static int Battery(IRanks ranks, string file, Func<IRanks, Dictionary<string, double[]>> measure)
    {
        Communicator world = ranks as Communicator ?? Communicator.World; // of one rank it is not made for nothing
        Collectives(world);
        (long whole, Communicator.Chunk) = (Communicator.Chunk, world.Count + 1);
        Collectives(world); // in pieces
        Communicator.Chunk = whole;
        Dictionary<string, double[]> all = measure(world);
        foreach ((string name, double[] values) in all)
        {
            using Tensor own = tensor(values), first = tensor(values);
            world.Broadcast(first);
            Require(own.bytes.SequenceEqual(first.bytes), $"{name} differs from that of rank 0");
        }

        if (world.Rank == 0)
        {
            File.WriteAllText(file, JsonSerializer.Serialize(all));
        }

        world.Dispose();
        return 0;
    }

    /// <summary>Trains every optimizer for the first half of its steps, or for the second from what others have saved; rank 0 writes parameters and state.</summary>
    private static int Train(IRanks ranks, string? from, string file)
    {
        Dictionary<string, OptimizerBattery.Saved>? saved = from is null ? null : JsonSerializer.Deserialize<Dictionary<string, OptimizerBattery.Saved>>(File.ReadAllText(from));
        Dictionary<string, OptimizerBattery.Saved> all = OptimizerBattery.Names.ToDictionary(name => name, name =>
        {
            (double[] parameters, byte[] state) = OptimizerBattery.Continue(ranks, name, saved is null ? 0..3 : 3..6, saved is null ? null : (saved[name].Parameters, saved[name].State));
            return new OptimizerBattery.Saved(parameters, state);
        });
        if (ranks.Rank == 0)
        {
            File.WriteAllText(file, JsonSerializer.Serialize(all));
        }

        return 0;
    }

    private static void Collectives(Communicator world)
    {
        int n = world.Count, sum = n * (n + 1) / 2;
        foreach (ScalarType dtype in (ScalarType[])[ScalarType.Float32, ScalarType.Float64, ScalarType.Int64, ScalarType.BFloat16, ScalarType.Float16])
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor values = arange(7, ScalarType.Float32).reshape(7, 1).add(1).mul(world.Rank + 1).to(dtype);
            world.Sum(values);
            Require(values.Equals(arange(7, ScalarType.Float32).reshape(7, 1).add(1).mul(sum).to(dtype)), $"the sum of {dtype}");
        }

        using DisposeScope rest = NewDisposeScope();
        Tensor row = tensor([10.0 * world.Rank, 1, 2, 3]);
        Require(world.AllGather(row).Equals(stack(Enumerable.Range(0, n).Select(r => tensor([10.0 * r, 1, 2, 3])))), "what was gathered");
        Require(world.ReduceScatter(stack(Enumerable.Range(0, n).Select(r => tensor([(double)r, world.Rank + 1, 1])))).Equals(tensor([(double)n * world.Rank, sum, n])), "what was scattered");
        foreach (ScalarType dtype in (ScalarType[])[ScalarType.Float32, ScalarType.Float64, ScalarType.BFloat16])
        {
            for (int to = 0; to < n; to++)
            {
                Tensor own = full([9], world.Rank + 1, dtype);
                world.SumTo(own, to);
                Require(world.Rank != to || own.to(ScalarType.Float64).Equals(full([9], sum, ScalarType.Float64)), $"what {dtype} was summed to on one rank");
            }
        }

        Tensor flags = tensor([world.Rank == n - 1, false]);
        world.Broadcast(flags, n - 1);
        Require(flags.Equals(tensor([true, false])), "what was broadcast");
        Require(world.TextFrom(n - 1, world.Rank == n - 1 ? "ä" : null) == "ä" && world.FromFirst(world.Rank + 5) == 5, "texts and numbers");
        world.Barrier();
        try
        {
            string? nothing = world.Rank > n ? "" : null;
            Require(nothing!.Length > 1, "no null reference");
        }
        catch (NullReferenceException) // a signal, which MPI must have left to the runtime
        {
        }
    }

    /// <summary>An error outside any sum, while the others wait for this rank.</summary>
    private static int Fail(IRanks ranks)
    {
        if (ranks.Rank == ranks.Count - 1)
        {
            throw new CurvatureException("The file x.npz is damaged.");
        }

        ranks.Barrier();
        return 0;
    }

    /// <summary>An error in one rank's part of a training step.</summary>
    private static int FailTraining(IRanks ranks)
    {
        Problem problem = OptimizerBattery.Create("conv", ranks);
        using OptimizerHelper optimizer = OptimizerBattery.Make("kfac", problem.Model);
        ((ICurvatureOptimizer)optimizer).Ranks = ranks;
        for (int step = 0; ; step++)
        {
            bool fails = step == 3 && ranks.Rank == 1;
            ((ICurvatureOptimizer)optimizer).Step(() => fails ? throw new CurvatureException("The file x.npz is damaged.") : problem.Model.call(problem.Inputs), problem.Targets, (ICurvatureLoss)problem.Loss);
        }
    }

    private static int Kill(IRanks ranks)
    {
        if (ranks.Rank == ranks.Count - 1)
        {
            Process.GetCurrentProcess().Kill();
        }

        ranks.Barrier();
        return 0;
    }

    private static void Require(bool holds, string what)
    {
        if (!holds)
        {
            throw new InvalidOperationException($"Wrong: {what}.");
        }
    }
}
