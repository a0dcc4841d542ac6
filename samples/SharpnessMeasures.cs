using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Viz.Figures;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>How large a step the digits network bears: stable rates, the curvature along steps of several rules, within a radius, and that mini-batches meet.</summary>
internal static class SharpnessMeasures
{
    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using Dataset digits = all.Sample(options.Quick ? 400 : all.Count, seed: 1);
        using LoadedModel model = Checkpoint.Load("data/digits-mlp.safetensors", "digits-mlp");
        Objective objective = Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(600));
        using HessianOperator hessian = new(objective);

        #region rates
        using Eigenpairs top = new LanczosEigensolver { Count = 1, Seed = 1 }.Solve(hessian, cancellation: cancellation);
        double lambda = top.Values[0].Value;
        Console.WriteLine($"lambda_max {lambda:F4}: gradient descent is stable up to {StableRates.GradientDescent(lambda):F3}, with momentum 0.9 up to {StableRates.HeavyBall(lambda, 0.9):F3}");
        #endregion

        #region directions
        Tensor g = objective.Gradient(cancellation);
        foreach ((string name, Tensor u) in (ReadOnlySpan<(string, Tensor)>)[("gradient", g.mul(-1)), ("sign", g.sign().neg()), ("gradient, clipped", DirectionalSharpness.Clip(g.mul(-1), 0.9))])
        {
            DirectionalSharpness step = DirectionalSharpness.Of(hessian, objective, u.mul(0.01 / u.norm().ToDouble()), cancellation);
            Console.WriteLine(
                $"{name,-18} a step of length {step.Length:G2}: slope {step.Slope:E2}, curvature {step.Curvature:F4}, loss {step.ActualChange:E3} (predicted {step.PredictedChange:E3})");
        }
        #endregion

        DocFigures.Write(options, "directional-sharpness", Steps(hessian, objective, g, options.Quick ? 3 : 16, cancellation));

        #region radius
        SamSharpness sam = new() { Radius = 0.05, Seed = 1 }, adaptive = new() { Adaptive = true, Seed = 1 };
        Estimate average = sam.Average(objective, options.Quick ? 4 : 64, cancellation: cancellation);
        Console.WriteLine($"within 0.05: at worst {sam.WorstCase(objective, cancellation):E2}, after 10 ascent steps {(sam with { Steps = 10 }).WorstCase(objective, cancellation):E2}");
        Console.WriteLine($"on average {average.Value:E2} +- {average.StandardError:E2}; adaptive, within 0.5, at worst {adaptive.WorstCase(objective, cancellation):F4}");
        #endregion

        DocFigures.Write(options, "sam-sharpness", Radii(sam, hessian, objective, g, options.Quick ? 3 : 16, cancellation));

        #region batches
        Objective batches = Objective.Supervised(model.Module, new CrossEntropy(), digits.Batches(32));
        BatchSharpness sharpness = BatchSharpness.Of(batches, cancellation: cancellation);
        Console.WriteLine($"batches of 32: {sharpness.MeanOfRatios.Value:F3} +- {sharpness.MeanOfRatios.StandardError:F3} along their gradients, {sharpness.RatioOfMeans.Value:F3} weighted by them");
        #endregion
    }

    /// <summary>The change of the loss along three rules' steps by their length, measured and by slope and curvature.</summary>
    private static CurvesFigure Steps(HessianOperator hessian, Objective objective, Tensor g, int points, CancellationToken cancellation)
    {
        List<Curve> curves = [];
        foreach ((string name, Tensor u, CurveKind kind) in (ReadOnlySpan<(string, Tensor, CurveKind)>)[("gradient", g.neg(), CurveKind.Measured), ("sign", g.sign().neg(), CurveKind.Beside), ("gradient, clipped", DirectionalSharpness.Clip(g.neg(), 0.9), CurveKind.Third)])
        {
            DirectionalSharpness[] steps = [.. Enumerable.Range(1, points).Select(i => DirectionalSharpness.Of(hessian, objective, u.mul(0.25 * i / points / u.norm().ToDouble()), cancellation))];
            curves.Add(new Curve(name, [(0, 0), .. steps.Select(step => (step.Length, step.ActualChange))], kind));
            curves.Add(new Curve(curves.Count == 1 ? "predicted" : "", [(0, 0), .. steps.Select(step => (step.Length, step.PredictedChange))], CurveKind.Limit));
        }

        return new CurvesFigure("directional-sharpness", "The loss along steps of three rules", "change of the loss", curves, across: "length of the step");
    }

    /// <summary>The rise of the loss within a radius, at worst and on average, and what slope and curvature along the gradient foretell of the worst.</summary>
    private static CurvesFigure Radii(SamSharpness sam, HessianOperator hessian, Objective objective, Tensor g, int points, CancellationToken cancellation)
    {
        double norm = g.norm().ToDouble(), curvature = g.dot(hessian.Apply(g)).ToDouble() / (norm * norm);
        double[] radii = [.. Enumerable.Range(1, points).Select(i => 0.2 * i / points)];
        Curve Of(string name, Func<double, double> rise, CurveKind kind) => new(name, [(0, 0), .. radii.Select(radius => (radius, rise(radius)))], kind);
        Curve[] curves =
        [
            Of("one step along the gradient", radius => (sam with { Radius = radius }).WorstCase(objective, cancellation), CurveKind.Measured),
            Of("ten ascent steps", radius => (sam with { Radius = radius, Steps = 10 }).WorstCase(objective, cancellation), CurveKind.Beside),
            Of("ρ|g| + ρ² gᵀHg / 2|g|²", radius => (radius * norm) + (radius * radius * curvature / 2), CurveKind.Limit),
        ];
        return new CurvesFigure("sam-sharpness", "SAM's sharpness by its radius", "rise of the loss", curves, across: "radius ρ");
    }
}
