using Curvature.Data;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Viz.Figures;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>Gradient descent on digits (squared error) at the edge of stability: at a step that raises the loss, the digits whose losses rise and fall the most, and how much of the sharpness they carry.</summary>
internal static class OpposingGroups
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        using Dataset digits = all.Sample(options.Quick ? 200 : 1000, seed: 1);
        manual_seed(1);
        Sequential model = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10));
        Tensor oneHot = eye(10, dtype: ScalarType.Float32).index_select(0, digits.Targets);
        Batch[] Batches(long size) => [.. Enumerable.Range(0, (int)(digits.Count / size)).Select(b => new Batch(digits.Inputs.narrow(0, b * size, size), oneHot.narrow(0, b * size, size)))];
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), Batches(200));
        double rate;
        using (HessianOperator start = new(objective))
        {
            rate = 1.9 / new OperatorNorm { MaxSteps = 12, Seed = 1 }.Estimate(start, cancellation: cancellation).Value; // just below the limit: it sharpens to the edge soon
        }

        int at = Descend(objective, rate, cancellation);

        #region groups
        using HessianOperator hessian = new(objective);
        using Eigenpairs top = new LanczosEigensolver { Tolerance = 1e-3, Seed = 1 }.Solve(hessian, cancellation: cancellation);
        Tensor v = top.Vectors.select(1, 0), update = objective.Gradient(cancellation).mul(-rate);
        OpposingSignals found = OpposingSignals.Of(objective, update, v, count: 10, cancellation);
        Console.WriteLine($"step {at}: lambda_max {top.Values[0].Value:F3} at 2 / rate = {2 / rate:F3}; the step changes the mean loss by {found.Changes.Average():+0.0000;-0.0000}");
        Print("rising", found.Increases, found.IncreaseAlong);
        Print("falling", found.Decreases, found.DecreaseAlong);
        Console.WriteLine($"cosine of their gradients {found.Cosine:F3}");
        #endregion

        DocFigures.Write(options, "opposing-groups", Along(objective, model, digits.Inputs, oneHot, update, found));

        #region examples
        int[] sharpest = [.. Enumerable.Range(0, found.Changes.Count).OrderByDescending(i => found.Examples.Curvatures[i]).Take(10)];
        Console.WriteLine($"the ten digits of largest curvature along v carry {found.ShareOf(sharpest):P1} of lambda_max, of {digits.Count}");
        GradientCoherence coherence = GradientCoherence.Of(Objective.Supervised(model, new MeanSquaredError(), Batches(1)), cancellation: cancellation);
        Console.WriteLine($"gradient coherence {coherence.Value:F4}: a step on one digit helps as much as {coherence.Helped:F1} digits");
        #endregion

        void Print(string name, IReadOnlyList<int> rows, double along) => Console.WriteLine(
            $"{name,-8} digits {string.Join(" ", rows.Select(i => digits.Targets[i].ToInt64()))}: losses by {string.Join(" ", rows.Take(3).Select(i => $"{found.Changes[i]:+0.000;-0.000}"))} ..., "
            + $"gradient along v {along:+0.000;-0.000}, {found.ShareOf(rows):P1} of lambda_max");
    }

    /// <summary>Mean losses of the two groups and of all digits along the step and as far again, less those before it.</summary>
    private static CurvesFigure Along(Objective objective, Sequential model, Tensor inputs, Tensor targets, Tensor update, OpposingSignals found)
    {
        const int Points = 21;
        using DisposeScope scope = NewDisposeScope();
        Tensor theta = objective.Parameters.Snapshot();
        double[] positions = [.. Enumerable.Range(0, Points).Select(i => 2.0 * i / (Points - 1))];
        double[][] losses = [.. positions.Select(t =>
        {
            using DisposeScope inner = NewDisposeScope();
            using IDisposable noGrad = no_grad();
            objective.Parameters.Assign(theta.add(update, t));
            return model.call(inputs).sub(targets).square().mean([1]).to(ScalarType.Float64).data<double>().ToArray();
        })];
        objective.Parameters.Assign(theta);
        Curve Of(string name, IReadOnlyList<int> rows, CurveKind kind) => new(name, [.. positions.Zip(losses, (t, at) => (t, rows.Average(i => at[i] - losses[0][i])))], kind);
        return new CurvesFigure("opposing-groups", "Losses along a step at the edge of stability", "change of the loss",
            [Of("ten rising", found.Increases, CurveKind.Beside), Of("ten falling", found.Decreases, CurveKind.Measured), Of("all", [.. Enumerable.Range(0, losses[0].Length)], CurveKind.Limit)], across: "share of the step");
    }

    /// <summary>Full-batch gradient descent until a step raises the loss by more than 2 %; stops before that one and returns its number.</summary>
    /// <exception cref="CurvatureException">None of 2,000 steps did.</exception>
    private static int Descend(Objective objective, double rate, CancellationToken cancellation)
    {
        for (int step = 0; step < 2000; step++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor theta = objective.Parameters.Snapshot();
            double before = objective.Value(cancellation);
            objective.Parameters.Assign(theta.add(objective.Gradient(cancellation), -rate));
            if (objective.Value(cancellation) > 1.02 * before)
            {
                objective.Parameters.Assign(theta);
                return step;
            }
        }

        throw new CurvatureException("Gradient descent did not reach the edge of stability in 2,000 steps.");
    }
}
