using Curvature.Data;
using Curvature.Estimators;
using Curvature.Kronecker;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Tests.Reference;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tests.Distributed;

/// <summary>
/// What is measured over any number of ranks and compared with one: every matrix on problems of all kinds, and every estimator, eigensolver, linear solver and layer-wise approximation, <see cref="ObjectiveBattery"/>, <see cref="SensitivityBattery"/> and <see cref="CalibrationBattery"/>. Shards are uneven, and of
/// three ranks or more one has no data: the first, the last or one between.
/// </summary>
internal static class RankBattery
{
    private const int Seed = 3;

    private static readonly Lock Making = new();

    /// <summary>Matrices alone are measured on these, which hold what differs: ignored labels, sums, masks, batch norm, convolutions.</summary>
    private static readonly string[] Matrices =
        ["conv", "silu-mlp weighted, ignored", "tanh-mlp mse sum", "attention, tied head, masked targets", "conv, batch norm in train mode"];

    /// <summary>Everything, by name.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="options">How products are made.</param>
    public static Dictionary<string, double[]> Measure(IRanks ranks, CurvatureOptions? options = null)
    {
        Dictionary<string, double[]> all = [];
        foreach (string name in Matrices)
        {
            foreach ((string key, double[] values) in MeasureMatrices(name, ranks, options))
            {
                all.Add($"{name}: {key}", values);
            }
        }

        foreach ((string key, double[] values) in MeasureEstimators(ranks, options))
        {
            all.Add(key, values);
        }

        MeasureLayers(all, ranks);
        ObjectiveBattery.Measure(all, ranks, options);
        SensitivityBattery.Measure(all, ranks);
        CalibrationBattery.Measure(all, ranks);
        return all;
    }

    /// <summary>Value, gradient and a product of every matrix with two vectors.</summary>
    public static Dictionary<string, double[]> MeasureMatrices(string name, IRanks ranks, CurvatureOptions? options)
    {
        using DisposeScope scope = NewDisposeScope();
        (Problem problem, Objective objective) = Make(name, ranks, empty: Problems.AllNames.Index().Single(entry => entry.Item == name).Index);
        Tensor V = Vectors(problem.Parameters.Count, 2);
        Dictionary<string, double[]> all = new() { ["value"] = [objective.Value()], ["gradient"] = Numbers(objective.Gradient()) };
        foreach (string matrix in KnownOperators.Names)
        {
            using CurvatureOperator a = KnownOperators.Create(matrix, objective, options, Seed);
            all.Add(matrix, Numbers(a.Apply(V)));
        }

        return all;
    }

    /// <summary>How near a quantity must be, relative to its size: 1e-12, finite differences what their step makes of rounding, and LSMR what it stops at.</summary>
    public static double Tolerance(string name) =>
        name.Contains("finite-difference", StringComparison.Ordinal) ? 1e-9
        : name == "lsmr" ? 1e-10 // the tolerance that it is asked for; seen: 7e-13 with libtorch 1.13, 1e-11 with 2.10
        : 1e-12;

    public static double Difference(double[] expected, double[] got)
    {
        double size = Math.Sqrt(expected.Sum(x => x * x));
        return Math.Sqrt(expected.Zip(got, (a, b) => (a - b) * (a - b)).Sum()) / (size == 0 ? 1 : size);
    }

    /// <summary>The first batch to the first rank, all others to the last; ranks between them have none, and of three or more the one that is named has none, whichever it is.</summary>
    /// <param name="all">The batches.</param>
    /// <param name="ranks">The ranks.</param>
    /// <param name="empty">Who is without, counted round.</param>
    public static IEnumerable<Batch> Shard(IReadOnlyList<Batch> all, IRanks ranks, int empty = 1)
    {
        (int first, int last) = Ends(ranks, empty);
        return ranks.Count == 1 ? all : ranks.Rank == first ? all.Take(1) : ranks.Rank == last ? all.Skip(1) : [];
    }

    /// <summary>The first and the last of the ranks but the one without data, which is there where there are three or more.</summary>
    public static (int First, int Last) Ends(IRanks ranks, int empty)
    {
        int without = ranks.Count < 3 ? -1 : empty % ranks.Count;
        return (without == 0 ? 1 : 0, without == ranks.Count - 1 ? ranks.Count - 2 : ranks.Count - 1);
    }

    public static long[] Sizes(string name) => Problems.Names.Contains(name) ? [3, 1, 3] : [4, 3];

    /// <summary>Every estimator and solver on one matrix.</summary>
    public static Dictionary<string, double[]> MeasureEstimators(IRanks ranks, CurvatureOptions? options)
    {
        Dictionary<string, double[]> all = [];
        using DisposeScope scope = NewDisposeScope();
        (Problem problem, Objective objective) = Make("tanh-mlp weighted, smoothed, ignored", ranks, empty: 0);
        using GgnOperator ggn = new(objective, options);
        EstimatorOptions work = new() { Products = 12, MinProbes = 4, Seed = Seed };
        foreach (string name in KnownTraceEstimators.Names)
        {
            TraceEstimate trace = KnownTraceEstimators.Create(name, work).Estimate(ggn, problem.Parameters);
            all.Add($"trace {name}", [trace.Total.Value, trace.Total.StandardError, .. trace.Layers.Select(layer => layer.Trace.Value)]);
        }

        foreach (string name in KnownDiagonalEstimators.Names)
        {
            using DiagonalEstimate diagonal = KnownDiagonalEstimators.Create(name, work).Estimate(ggn);
            all.Add($"diagonal {name}", Numbers(diagonal.Values));
        }

        Estimate norm = new FrobeniusNorm { MaxProbes = 12, Seed = Seed }.Estimate(ggn);
        all.Add("norm", [norm.Value, norm.StandardError]);
        FunctionTrace quadrature = new() { Steps = 8, MaxRuns = 8, Seed = Seed };
        all.Add("functions",
        [
            new SchattenNorm { Quadrature = quadrature }.Estimate(ggn).Estimate.Value,
            new LogDeterminant { Damping = 0.1, Quadrature = quadrature }.Estimate(ggn).Estimate.Value,
            new EffectiveDimension { Damping = 0.1, Quadrature = quadrature }.Estimate(ggn).Estimate.Value,
            new OperatorNorm { MaxSteps = 12, Seed = Seed }.Estimate(ggn).Value,
        ]);
        SpectralDensity density = new StochasticLanczosQuadrature { Steps = 8, Runs = 3, Seed = Seed, KernelWidth = 0.05 }.Estimate(ggn);
        all.Add("density", [.. density.Grid(20).Select(density.Density)]);
        using HessianOperator hessian = new(objective, options);
        foreach (string name in KnownEigensolvers.Names)
        {
            using Eigenpairs pairs = KnownEigensolvers.Create(name, new EigensolverOptions { Count = 2, Which = name == "lobpcg" ? Spectrum.Largest : Spectrum.Magnitude, Tolerance = 1e-6, MaxProducts = 150, Seed = Seed }).Solve(hessian);
            all.Add($"{name}", [.. pairs.Values.Select(pair => pair.Value)]);
        }

        using Tensor b = objective.Gradient();
        foreach (string name in KnownSolvers.Names)
        {
            using LinearSolution solution = KnownSolvers.Create(name, new LinearSolverOptions { Tolerance = 1e-10, MaxProducts = 200 }).Solve(ggn.Shift(0.5), b);
            all.Add($"{name}", Numbers(solution.X));
        }

        GradientCoherence coherence = GradientCoherence.Of(objective);
        all.Add("coherence", [coherence.Value, coherence.Batches]);
        all.Add("worst case", [new SamSharpness { Radius = 0.1 }.WorstCase(objective)]);
        return all;
    }

    private static void MeasureLayers(Dictionary<string, double[]> all, IRanks ranks)
    {
        using DisposeScope scope = NewDisposeScope();
        (Problem problem, Objective objective) = Make("conv, batch norm in eval mode", ranks, empty: 0);
        foreach (int? draws in (int?[])[null, 3])
        {
            ExactTraceEstimate traces = new ExactLayerTraces { Draws = draws, Seed = Seed }.Estimate(objective, problem.Model);
            all.Add($"layer traces, {draws} draws", [traces.Total.Value, traces.Total.StandardError, .. traces.Layers.Select(layer => layer.Trace.Value), .. traces.Layers.Select(layer => layer.IsHessian ? 1.0 : 0)]);
            using DiagonalEstimate diagonal = new GgnDiagonal { Draws = draws, Seed = Seed }.Estimate(objective, problem.Model);
            all.Add($"Gauss-Newton diagonal, {draws} draws", [.. Numbers(diagonal.Values), .. Numbers(diagonal.StandardErrors)]);
        }

        Tensor v = Vectors(problem.Parameters.Count, 1);
        foreach (FactorGradients gradients in Enum.GetValues<FactorGradients>())
        {
            foreach (string name in KnownApproximations.Names)
            {
                using LayerwiseOperator approximation = KnownApproximations.Create(name, objective, problem.Model, new KfacOptions { Gradients = gradients, Seed = Seed });
                using KfacInverse inverse = approximation.Inverse(0.1);
                all.Add($"{name}, {gradients}", [.. Numbers(approximation.Apply(v)), .. Numbers(inverse.Apply(v))]);
            }
        }
    }

    internal static (Problem Problem, Objective Objective) Make(string name, IRanks ranks, int empty = 1)
    {
        Problem problem;
        ranks.Barrier(); // ranks that are threads have one random state: nobody measures while a problem is drawn from it
        lock (Making)
        {
            problem = Problems.Create(name);
        }

        ranks.Barrier();

        return (problem, Objective.Supervised(problem.Model, problem.Loss, [.. Shard(problem.Batches(Sizes(name)), ranks, empty)], problem.Parameters, ranks: ranks));
    }

    private static Tensor Vectors(long length, long count) => arange(length * count, ScalarType.Float64, device: Here).mul(0.7).sin().reshape(length, count);

    private static double[] Numbers(Tensor values) => values.contiguous().cpu().data<double>().ToArray();
}
