using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Optimizers;
using Curvature.Tests.Distributed;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Fixtures;

/// <summary>How often a rank waits for its device in a product and in a step, for <see cref="DeviceProgram"/>. Ranks are threads whose sums are made on the device without a wait: over MPI each sum adds a copy to main memory.</summary>
internal static class DeviceRanksProgram
{
    public const string Product = "product over ranks: ", Step = "step over ranks: ";

    private const int Ranks = 2, Units = 4, Warm = 3;

    public static void Measure(DeviceProgram.Findings findings)
    {
        foreach (string matrix in KnownOperators.Names)
        {
            Count(findings, Product + matrix, ranks =>
            {
                Objective objective = RankBattery.Make("silu-mlp weighted, ignored", ranks).Objective;
                CurvatureOperator a = KnownOperators.Create(matrix, objective);
                Tensor v = ones(a.Columns, ScalarType.Float64, device: Here);
                return (() => a.Apply(v).Dispose(), a);
            });
        }

        foreach (string name in KnownOptimizers.Names.Where(name => name != "hessian-free")) // whose iterations are as many as it takes
        {
            Count(findings, Step + name, ranks =>
            {
                Problem problem = RankBattery.Make("conv", ranks).Problem;
                OptimizerHelper optimizer = KnownOptimizers.Get(name).Create(problem.Model, problem.Model.parameters(), 1e-3, null);
                ((ICurvatureOptimizer)optimizer).Ranks = ranks;
                long rows = problem.Inputs.shape[0] / ranks.Count;
                (Tensor x, Tensor y) = (problem.Inputs.narrow(0, ranks.Rank * rows, rows), problem.Targets.narrow(0, ranks.Rank * rows, rows));
                return (() => ((ICurvatureOptimizer)optimizer).Step(() => problem.Model.call(x), y, (ICurvatureLoss)problem.Loss), optimizer);
            });
        }
    }

    private static void Count(DeviceProgram.Findings findings, string what, Func<IRanks, (Action Unit, IDisposable Owner)> make) => ThreadRanks.Run(Ranks, ranks =>
    {
        (Action unit, IDisposable owner) = make(ranks);
        using (owner)
        {
            for (int i = 0; i < Warm + Units; i++)
            {
                if (i == Warm)
                {
                    ranks.Barrier(); // nobody works while waits are asked for, which are those of all
                    _ = ranks.Rank == 0 ? TestDevice.Waits() : null;
                    ranks.Barrier();
                }

                using DisposeScope scope = NewDisposeScope();
                unit();
            }

            ranks.Barrier();
            if (ranks.Rank == 0)
            {
                IReadOnlyDictionary<string, int> waits = TestDevice.Waits();
                DeviceProgram.Note(findings, what, waits.Values.Sum() / (double)(Units * Ranks), waits);
            }

            ranks.Barrier();
        }

        return 0;
    });
}
