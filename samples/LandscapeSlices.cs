using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Viz.Figures;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// The loss of digits networks along random lines and eigenvectors, over a plane, on the way from one network to another, and over the plane of a training run. Without <c>--quick</c> it writes the figures of
/// docs/guide/landscapes.md.
/// </summary>
internal static class LandscapeSlices
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0, InputType = ScalarType.Float32 });
        using Dataset digits = all.Sample(options.Quick ? 200 : all.Count, seed: 1);
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");
        Objective objective = Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(1800));
        int steps = options.Quick ? 9 : 41;

        #region lines
        using HessianOperator hessian = new(objective);
        using Eigenpairs top = new LanczosEigensolver { Tolerance = 1e-3, Seed = 1 }.Solve(hessian, cancellation: cancellation);
        Tensor random = LandscapeDirections.FilterNormalised(objective.Parameters, seed: 1), sharpest = top.Vectors.select(1, 0);
        LandscapeCurve filters = LandscapeCurve.Of(objective, random, LandscapeAxis.Around(1, steps), hessian, cancellation: cancellation);
        LandscapeCurve eigenvector = LandscapeCurve.Of(objective, sharpest, LandscapeAxis.Around(4, steps), hessian, cancellation: cancellation);
        Console.WriteLine($"random direction: curvature {filters.Quadratic!.Value.Curvature:F4}, loss {filters.Losses[0]:F4} and {filters.Losses[^1]:F4} at its ends (quadratic model {filters.Predicted(1):F4})");
        Console.WriteLine($"eigenvector: curvature {eigenvector.Quadratic!.Value.Curvature:F4}, loss {eigenvector.Losses[0]:F4} and {eigenvector.Losses[^1]:F4} (quadratic model {eigenvector.Predicted(4):F4})");
        #endregion

        #region plane
        Tensor second = LandscapeDirections.FilterNormalised(objective.Parameters, seed: 1, index: 1);
        LandscapeSurface plane = LandscapeSurface.Of(objective, random, second, LandscapeAxis.Around(1, steps), cancellation: cancellation);
        #endregion

        DocFigures.Write(options, "landscape-random", new LandscapeCurveFigure([("random direction", filters)], "multiples of the filters' own lengths"));
        DocFigures.Write(options, "landscape-eigenvector", new LandscapeCurveFigure([($"eigenvector, λ = {NumberText.Of(top.Values[0].Value, 3)}", eigenvector)], "distance along the eigenvector"));
        DocFigures.Write(options, "landscape-plane", new LandscapeContourFigure(plane, "random direction 1", "random direction 2"));

        // A network of another start, and the run that leads to it.
        manual_seed(7);
        using nn.Module<Tensor, Tensor> other = KnownNetworks.Create("digits-mlp");
        Objective training = Objective.Supervised(other, new CrossEntropy(), digits.Batches(1800));
        List<Tensor> run = Train(other, digits, training, options.Quick ? 6 : 60, cancellation);

        #region between
        LandscapeCurve between = LandscapeCurve.Between(objective, run[^1], new LandscapeAxis(-0.25, 1.25, options.Quick ? 13 : 61), cancellation: cancellation);
        Console.WriteLine($"between two networks: losses {objective.Value(cancellation):F4} and {training.Value(cancellation):F4}, barrier {between.Barrier:F4}");
        #endregion

        #region run
        using TrajectoryProjection path = TrajectoryProjection.Of(run);
        Console.WriteLine($"the run: {path.Explained.First:P1} and {path.Explained.Second:P1} of its variance in two directions, at most {path.Distances.Max():F3} off their plane");
        LandscapeAxis Axis(IEnumerable<double> along) => new(along.Min() - 2, along.Max() + 2, steps);
        LandscapeSurface valley = LandscapeSurface.Of(
            training, path.A, path.B, Axis(path.Points.Select(p => p.X)), Axis(path.Points.Select(p => p.Y)), cancellation: cancellation);
        #endregion

        DocFigures.Write(options, "landscape-between", new LandscapeCurveFigure([("on the line", between)], "from the first network, 0, to the second, 1"));
        DocFigures.Write(options, "landscape-run", new LandscapeContourFigure(valley, $"first component ({path.Explained.First:P0} of the variance)", $"second component ({path.Explained.Second:P0})", path.Points));
    }

    /// <summary>Adam in mini-batches; a snapshot after each epoch, and before the first.</summary>
    private static List<Tensor> Train(nn.Module<Tensor, Tensor> model, Dataset digits, Objective objective, int epochs, CancellationToken cancellation)
    {
        List<Tensor> run = [objective.Parameters.Snapshot()];
        using optim.Optimizer optimizer = optim.Adam(model.parameters(), 0.003);
        CrossEntropy loss = new();
        for (int epoch = 0; epoch < epochs; epoch++)
        {
            using Tensor order = randperm(digits.Count);
            for (long at = 0; at < digits.Count; at += 64)
            {
                cancellation.ThrowIfCancellationRequested();
                using DisposeScope scope = NewDisposeScope();
                Tensor rows = order[(int)at..(int)Math.Min(at + 64, digits.Count)];
                optimizer.zero_grad();
                loss.Value(model.call(digits.Inputs.index_select(0, rows)), digits.Targets.index_select(0, rows)).backward();
                optimizer.step();
            }

            run.Add(objective.Parameters.Snapshot());
        }

        return run;
    }
}
