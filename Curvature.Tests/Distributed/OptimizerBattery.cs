using Curvature.Data;
using Curvature.Kronecker;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Optimizers;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

/// <summary>
/// Every optimizer of the catalogue, and KFAC in its kinds, trained over any number of ranks on the same batches. A batch is divided unevenly, otherwise at each step; of three ranks or more one has no part of it, each in its turn.
/// </summary>
internal static class OptimizerBattery
{
    private const int Steps = 5;

    /// <summary>A run that was left off, in a file.</summary>
    /// <param name="Parameters">The parameters.</param>
    /// <param name="State">What <c>save_state_dict</c> wrote.</param>
    public sealed record Saved(double[] Parameters, byte[] State);

    private static readonly Lock Making = new();

    private static readonly Dictionary<string, Func<nn.Module, OptimizerHelper>> Kinds = new()
    {
        ["kfac, exact"] = model => Kfac(model, new KfacSettings { Factors = new KfacOptions { Gradients = FactorGradients.Exact } }),
        ["kfac, observed"] = model => Kfac(model, new KfacSettings { Factors = new KfacOptions { Gradients = FactorGradients.Empirical } }),
        ["kfac, identity"] = model => Kfac(model, new KfacSettings { Factors = new KfacOptions { Gradients = FactorGradients.Identity } }),
        ["kfac, eigen"] = model => Kfac(model, KfacSettings.PytorchEigen with { Factors = new KfacOptions { StartsAtIdentity = true } }),
        ["kfac, led damping"] = model => Kfac(model, new KfacSettings { Schedule = new LevenbergMarquardt { Interval = 2 }, Damping = 0.1 }),
        ["kfac, blocks"] = model => Kfac(model, new KfacSettings { LargestBlock = 2, L2 = 0.01 }),
        ["hessian-free, solved"] = model => new HessianFree(model.parameters()) { Solver = new ConjugateGradient { Tolerance = 1e-13, MaxProducts = 100 }, ProductOptions = new CurvatureOptions { Extensions = null } },
        ["sophia-g, three draws"] = model => new SophiaG(model.parameters(), new SophiaOptions { LearningRate = 0.01 }, new GaussNewtonBartlett(3)) { UpdateInterval = 2 },
    };

    /// <summary>Names of what is trained.</summary>
    /// <remarks>Hessian-free steps end at a residual of 1e-6 by default, where rounding shows: here they are solved further.</remarks>
    public static IReadOnlyList<string> Names => [.. KnownOptimizers.Names.Where(name => name != "hessian-free"), .. Kinds.Keys];

    /// <summary>Weights, sums, positions of a row, layers with Kronecker factors and without.</summary>
    public static IReadOnlyList<string> ProblemNames { get; } = ["silu-mlp weighted, ignored", "tanh-mlp mse sum", "conv", "attention, tied head, masked targets"];

    /// <summary>How near a quantity must be to that of one process, relative to its size: eigenvectors are as near as the gaps between their eigenvalues let them be, and what is made of them is not.</summary>
    public static double Tolerance(string key) => key.EndsWith("inverse left", StringComparison.Ordinal) || key.EndsWith("inverse right", StringComparison.Ordinal) ? 1e-9 : 1e-12;

    public static OptimizerHelper Make(string name, nn.Module model) => Kinds.TryGetValue(name, out Func<nn.Module, OptimizerHelper>? make)
        ? make(model)
        : KnownOptimizers.Get(name).Create(model, model.parameters(), name switch { "adahessian" => 0.05, "hessian-free" => 1, _ => 0.01 }, 2);

    /// <summary>All that is trained on one problem, for ranks that are processes.</summary>
    public static Dictionary<string, double[]> Measure(IRanks ranks) =>
        Names.SelectMany(name => Train(ranks, name, "conv").Select(quantity => KeyValuePair.Create($"{name}: {quantity.Key}", quantity.Value))).ToDictionary();

    /// <summary>Trains by outputs, targets and loss: the parameters afterwards, each step's loss, and all that the optimizer remembers.</summary>
    public static Dictionary<string, double[]> Train(IRanks ranks, string name, string problem) => Train(ranks, name, problem, (optimizer, own, part) => optimizer.Step(
        own.Rows > 0 ? [(() => own.Model.call(part.Inputs), part.Targets)] : [], (ICurvatureLoss)own.Loss).ToDouble());

    /// <summary>The same by any form of a step.</summary>
    public static Dictionary<string, double[]> Train(IRanks ranks, string name, string problemName, Func<ICurvatureOptimizer, (nn.Module<Tensor, Tensor> Model, ISupervisedLoss Loss, long Rows), Batch, double> step)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Create(problemName, ranks);
        using OptimizerHelper optimizer = Make(name, problem.Model);
        ((ICurvatureOptimizer)optimizer).Ranks = ranks;
        List<double> losses = [];
        for (int t = 0; t < Steps; t++)
        {
            using DisposeScope inner = NewDisposeScope();
            (long first, long rows) = Share(problem.Inputs.shape[0], t, ranks);
            losses.Add(step((ICurvatureOptimizer)optimizer, (problem.Model, problem.Loss, rows), new Batch(problem.Inputs.narrow(0, first, rows), problem.Targets.narrow(0, first, rows))));
        }

        Dictionary<string, double[]> all = new() { ["parameters"] = Numbers(ParametersOf(problem.Model)), ["losses"] = [.. losses], ["steps"] = [((ICurvatureOptimizer)optimizer).Steps, ((ICurvatureOptimizer)optimizer).SkippedSteps] };
        foreach ((string key, double[] values) in Remembered(optimizer))
        {
            all.Add(key, values);
        }

        if (optimizer is KfacOptimizer kfac)
        {
            all.Add("damping, samples", [kfac.Damping, BitConverter.Int64BitsToDouble(((NamedState)optimizer.state_dict().State[0])["samples"])]);
        }

        return all;
    }

    /// <summary>What an optimizer's state holds, by parameter and name, as it is saved: whole, also where ranks divide it. Collective.</summary>
    public static IReadOnlyList<(string Key, double[] Values)> Remembered(OptimizerHelper optimizer)
    {
        List<(string, double[])> all = [];
        foreach ((int i, NamedState own) in optimizer.state_dict().State.Cast<NamedState>().Index())
        {
            using MemoryStream file = new();
            own.SaveStateDict(new BinaryWriter(file));
            file.Position = 0;
            using NamedState whole = new(new Parameter(zeros(1, device: Here)));
            whole.LoadStateDict(new BinaryReader(file));
            all.AddRange(whole.Names.Select(name => ($"{i} {name}", Numbers(whole.Find(name)!))));
        }

        return all;
    }

    /// <summary>Takes some steps from where a run left off, and leaves it again: parameters and state, as they are saved.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="name">What is trained.</param>
    /// <param name="steps">From which to which.</param>
    /// <param name="saved">Null: the beginning.</param>
    /// <param name="ranksLast">Whether the optimizer is told of its ranks after the state was loaded.</param>
    public static (double[] Parameters, byte[] State) Continue(IRanks ranks, string name, Range steps, (double[] Parameters, byte[] State)? saved = null, bool ranksLast = false)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Create("conv", ranks);
        using OptimizerHelper optimizer = Make(name, problem.Model);
        ((ICurvatureOptimizer)optimizer).Ranks = ranksLast ? OneRank.Instance : ranks;
        if (saved is var (parameters, state))
        {
            using MemoryStream file = new(state);
            problem.Parameters.Assign(tensor(parameters, device: Here));
            optimizer.load_state_dict(new BinaryReader(file));
        }

        ((ICurvatureOptimizer)optimizer).Ranks = ranks;

        for (int t = steps.Start.Value; t < steps.End.Value; t++)
        {
            using DisposeScope inner = NewDisposeScope();
            (long first, long rows) = Share(problem.Inputs.shape[0], t, ranks);
            Batch part = new(problem.Inputs.narrow(0, first, rows), problem.Targets.narrow(0, first, rows));
            ((ICurvatureOptimizer)optimizer).Step(() => problem.Model.call(part.Inputs), part.Targets, (ICurvatureLoss)problem.Loss);
        }

        using MemoryStream stream = new();
        optimizer.save_state_dict(new BinaryWriter(stream));
        return (Numbers(ParametersOf(problem.Model)), stream.ToArray());
    }

    /// <summary>A rank's rows of a batch: of a single rank all, else two to the first and the others to the last, or the other way round at every second step; none to those between, and of three or more one is passed over, another at each step.</summary>
    public static (long First, long Rows) Share(long rows, int step, IRanks ranks)
    {
        (int first, int last) = RankBattery.Ends(ranks, step + 1);
        long firsts = ranks.Count == 1 ? rows : step % 2 == 0 ? 2 : rows - 2;
        return ranks.Rank == first ? (0, firsts) : ranks.Rank == last ? (firsts, rows - firsts) : (0, 0);
    }

    public static Problem Create(string name, IRanks ranks)
    {
        ranks.Barrier(); // ranks that are threads have one random state
        Problem problem;
        lock (Making)
        {
            problem = Problems.Create(name);
        }

        ranks.Barrier();
        return problem;
    }

    public static Tensor ParametersOf(nn.Module model) => cat([.. model.parameters().Select(p => p.detach().reshape(-1)), zeros(0, ScalarType.Float64, device: Here)]);

    public static double[] Numbers(Tensor values) => values.detach().to(ScalarType.Float64).contiguous().cpu().data<double>().ToArray();

    private static KfacOptimizer Kfac(nn.Module model, KfacSettings settings) =>
        new(model, new KfacOptimizerOptions { LearningRate = 0.01 }, settings with { FactorInterval = 2, InverseInterval = 4 });
}
