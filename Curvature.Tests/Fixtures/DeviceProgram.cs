using System.Text.Json;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Implicit;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Optimizers;
using Curvature.Tensors;
using Curvature.Tests.Core.Optimizers;
using Curvature.Tests.Distributed;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Fixtures;

/// <summary>
/// What the tests run in a process of its own, whose device is the pretended one: <c>dotnet Curvature.Tests.dll device FILE</c>. The numbers of <see cref="RankBattery"/>, and how often the host waits for the device in a unit of
/// each inner loop: a product, an iteration, a step.
/// </summary>
internal static class DeviceProgram
{
    public const string MixedProduct = "mixed product in a batch's inputs";

    /// <summary>What is written to the file.</summary>
    /// <param name="Numbers">By quantity.</param>
    /// <param name="Waits">Waits of a unit, by what is measured.</param>
    /// <param name="Kinds">What they were, over all units, for messages.</param>
    /// <param name="Texts">What commands printed.</param>
    public sealed record Findings(Dictionary<string, double[]> Numbers, Dictionary<string, double> Waits, Dictionary<string, string> Kinds, Dictionary<string, string> Texts);

    public static int Run(string file)
    {
        Findings findings = new(RankBattery.MeasureEstimators(OneRank.Instance, null), [], [], []);
        Products(findings);
        Batches(findings);
        DeviceMemoryProgram.Measure(findings.Numbers);
        Iterations(findings);
        Steps(findings);
        DeviceJobProgram.Measure(findings.Texts);
        DeviceRanksProgram.Measure(findings);
        File.WriteAllText(file, JsonSerializer.Serialize(findings));
        return 0;
    }

    private static void Products(Findings findings)
    {
        foreach (string problem in (string[])["silu-mlp weighted, ignored", "conv, batch norm in eval mode", "attention, tied head, masked targets", "tanh-mlp bce of three"])
        {
            foreach (string matrix in KnownOperators.Names)
            {
                foreach (long? memory in (long?[])[null, 0])
                {
                    using DisposeScope scope = NewDisposeScope();
                    Objective objective = Problems.Create(problem).Objective(4, 3);
                    using CurvatureOperator a = KnownOperators.Create(matrix, objective, new CurvatureOptions { GraphMemory = memory });
                    Tensor v = ones(a.Columns, ScalarType.Float64, device: Here);
                    Count(findings, $"{(memory is null ? "kept" : "fresh")} product: {matrix}, {problem}", 4, _ => a.Apply(v).Dispose(), warm: 2);
                    if (matrix == "hessian")
                    {
                        Count(findings, $"{(memory is null ? "kept" : "fresh")} product: {matrix}, {problem}, three vectors", 4, _ => a.Apply(ones([a.Columns, 3], ScalarType.Float64, device: Here)).Dispose(), warm: 2);
                        Count(findings, $"{(memory is null ? "kept" : "fresh")} form: {matrix}, {problem}", 4, _ => a.QuadraticForms(ones([a.Columns, 2], ScalarType.Float64, device: Here)), warm: 2);
                    }
                }
            }

            CutAnew(findings, problem);
        }
    }

    /// <summary>Products and forms on graphs that are kept, but made anew because the parameters moved: cut at the layers and whole.</summary>
    private static void CutAnew(Findings findings, string problem)
    {
        foreach (bool byLayers in (bool[])[true, false])
        {
            using DisposeScope scope = NewDisposeScope();
            Objective objective = Problems.Create(problem).Objective(4, 3);
            using HessianOperator a = new(objective, new CurvatureOptions { ByLayers = byLayers });
            Tensor v = ones([a.Columns, 1], ScalarType.Float64, device: Here);
            void Move()
            {
                using IDisposable noGrad = no_grad();
                objective.Parameters.Parameters[0].mul_(1.01);
            }

            string how = byLayers ? "cut" : "whole";
            Count(findings, $"{how} anew, product: {problem}", 4, _ => { Move(); a.Apply(v).Dispose(); }, warm: 2);
            Count(findings, $"{how} anew, form: {problem}", 4, _ => { Move(); a.QuadraticForms(v); }, warm: 2);
            Count(findings, $"{how} anew, products: {problem}", 4, _ => { Move(); a.Apply(v).Dispose(); a.Apply(v).Dispose(); a.Apply(v).Dispose(); }, warm: 2);
        }
    }

    private static void Batches(Findings findings)
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).to(Here);
        Batch[] batches = [.. Enumerable.Range(0, 5).Select(_ => new Batch(randn(6, 4), randint(2, [6])))];
        using HessianOperator a = new(Objective.Supervised(model, new CrossEntropy(), batches), new CurvatureOptions { GraphMemory = 0 });
        Tensor v = ones(a.Columns, device: Here);
        Count(findings, "product over five batches in main memory", 4, _ => a.Apply(v).Dispose(), warm: 2);
        findings.Numbers[MixedProduct] = InAnInput(Here);
    }

    /// <summary>The mixed product of a loss in a batch's inputs, which lie in main memory.</summary>
    internal static double[] InAnInput(Device device)
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = nn.Sequential(nn.Linear(3, 1, dtype: ScalarType.Float64), nn.Tanh()).to(device);
        using (no_grad())
        {
            foreach (Tensor p in model.parameters())
            {
                p.fill_(0.5);
            }
        }

        Parameter inputs = new(arange(6, ScalarType.Float64).sin().reshape(2, 3));
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), [new Batch(inputs, ones(2, 1, ScalarType.Float64))]);
        BilevelProblem problem = new(objective, objective, new ParameterSpace([("inputs", inputs)]));
        return problem.MixedProduct(ones(objective.Parameters.Count, ScalarType.Float64, device: device)).cpu().data<double>().ToArray();
    }

    private static void Iterations(Findings findings)
    {
        using DisposeScope scope = NewDisposeScope();
        using MatrixOperator a = Matrices.OperatorWithSpectrum([.. Enumerable.Range(1, 60).Select(i => i + (0.1 * i * i))]);
        Tensor b = arange(60, ScalarType.Float64, device: Here).sin();
        foreach (string name in KnownSolvers.Names)
        {
            Difference(findings, $"iteration: {name}", products => KnownSolvers.Create(name, new LinearSolverOptions { Tolerance = 1e-14, MaxProducts = products }).Solve(a, b).Dispose());
        }

        foreach (string name in KnownEigensolvers.Names)
        {
            Difference(findings, $"product of eigenpairs: {name}", products => KnownEigensolvers.Create(name, new EigensolverOptions { Count = 2, Which = name == "lobpcg" ? Spectrum.Largest : Spectrum.Magnitude, Tolerance = 1e-14, MaxProducts = products }).Solve(a).Dispose());
        }

        foreach (string name in KnownTraceEstimators.Names)
        {
            Difference(findings, $"product of a trace: {name}", products => KnownTraceEstimators.Create(name, new EstimatorOptions { Products = products, MinProbes = 4 }).Estimate(a));
        }

        Difference(findings, "product of a density", products => new StochasticLanczosQuadrature { Steps = products / 2, Runs = 2 }.Estimate(a));
    }

    private static void Steps(Findings findings)
    {
        foreach (string name in KnownOptimizers.Names)
        {
            using DisposeScope scope = NewDisposeScope();
            Descent descent = Descent.Create("linear layers", ScalarType.Float32);
            using OptimizerHelper optimizer = KnownOptimizers.Get(name).Create(descent.Model, descent.Parameters, 1e-3, null);
            Count(findings, $"step: {name}", 20, _ => ((ICurvatureOptimizer)optimizer).Step(descent.Forward, descent.Targets, Descent.Loss), warm: 20);
        }
    }

    private static void Difference(Findings findings, string what, Action<int> run)
    {
        const int Few = 20, Many = 40;
        run(Few);
        TestDevice.Waits();
        run(Few);
        IReadOnlyDictionary<string, int> few = TestDevice.Waits();
        run(Many);
        IReadOnlyDictionary<string, int> many = TestDevice.Waits();
        Note(findings, what, (many.Values.Sum() - few.Values.Sum()) / (double)(Many - Few), many);
    }

    private static void Count(Findings findings, string what, int units, Action<int> unit, int warm)
    {
        for (int i = 0; i < warm + units; i++)
        {
            using DisposeScope scope = NewDisposeScope();
            if (i == warm)
            {
                TestDevice.Waits();
            }

            unit(i);
        }

        IReadOnlyDictionary<string, int> waits = TestDevice.Waits();
        Note(findings, what, waits.Values.Sum() / (double)units, waits);
    }

    internal static void Note(Findings findings, string what, double waits, IReadOnlyDictionary<string, int> kinds)
    {
        findings.Waits[what] = waits;
        findings.Kinds[what] = string.Join(", ", kinds.Select(kind => $"{kind.Key} {kind.Value}"));
    }
}
