using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Sharpness;
using Curvature.Tensors;
using Curvature.Viz.Figures;
using Curvature.Viz.Report;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>Full-batch gradient descent with squared error at three learning rates: the sharpness rises to <c>2 / eta</c> and stays there. The figure in the guide is what it draws.</summary>
internal static class EdgeOfStabilityTraining
{
    private const int Samples = 500, Interval = 20;

    private static readonly (double Rate, int Steps, CurveKind Kind)[] Runs = [(0.1, 8000, CurveKind.Measured), (0.14, 8000, CurveKind.Beside), (0.2, 8000, CurveKind.Third)];

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        using Dataset all = DataFile.Read("data/digits.csv.gz", new DataOptions { Scale = 1 / 16.0 });
        using Dataset digits = all.Sample(Samples, seed: 1).To(ScalarType.Float32, CPU);
        List<Curve> curves = [];
        foreach ((double rate, int steps, CurveKind kind) in Runs)
        {
            MonitorRecord[] seen = Train(digits, rate, options.Quick ? 2 * Interval : steps, cancellation);
            curves.Add(new Curve(FormattableString.Invariant($"η = {rate}"), [.. seen.Select(record => ((double)record.Step, record.Sharpness?.Value ?? double.NaN))], kind));
            curves.Add(new Curve(curves.Count == 1 ? "2 / η" : "", [(0, 2 / rate), (steps, 2 / rate)], CurveKind.Limit));
            Report(rate, seen, options.Quick);
        }

        if (!options.Quick)
        {
            string path = options.Out ?? "docs/images/edge-of-stability.svg";
            CurvesFigure figure = new("edge-of-stability", "Sharpness of full-batch gradient descent", "sharpness λmax", curves);
            AtomicFile.WriteText(path, AccessibleSvg.Of(figure.ToSvg(FigureTheme.Paper), figure.Name, figure.Title, figure.Description) + "\n");
            Console.WriteLine($"wrote {path}");
        }
    }

    private static MonitorRecord[] Train(Dataset digits, double rate, int steps, CancellationToken cancellation)
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(1);
        using nn.Module<Tensor, Tensor> model = new DigitsMlp();

        #region training
        Tensor targets = eye(10).index_select(0, digits.Targets);
        Objective objective = Objective.FromClosure(
            ParameterSpace.Of(model),
            [digits.Inputs],
            inputs => model.call(inputs).sub(targets).square().sum().div(2 * digits.Count),
            terms: inputs => inputs.shape[0]);
        using SharpnessMonitor monitor = new(objective, new MonitorOptions { Interval = Interval, TraceProbes = 0, LearningRate = _ => rate });
        List<MonitorRecord> seen = [];
        for (int step = 0; step <= steps; step++)
        {
            if (monitor.Observe(step, cancellation) is { } record)
            {
                seen.Add(record);
            }

            using DisposeScope inner = NewDisposeScope();
            objective.Parameters.Assign(objective.Parameters.Snapshot().sub(objective.Gradient(cancellation).mul(rate)));
        }
        #endregion

        return [.. seen];
    }

    /// <summary>The time average from where the edge is first reached, which is to be within a tenth of it.</summary>
    private static void Report(double rate, MonitorRecord[] seen, bool quick)
    {
        double[] ratios = [.. seen.Select(record => record.Sharpness!.Value * rate / 2)];
        int reached = Array.FindIndex(ratios, ratio => ratio >= 1);
        string start = FormattableString.Invariant($"eta {rate}: sharpness {seen[0].Sharpness!.Value:F2} at first, {seen[^1].Sharpness!.Value:F2} after {seen[^1].Step} steps, loss {seen[^1].Loss:F5}");
        if (reached < 0)
        {
            Console.WriteLine($"{start}; 2 / eta = {2 / rate:F1} not reached");
        }
        else
        {
            Console.WriteLine($"{start}; 2 / eta = {2 / rate:F1} reached at step {seen[reached].Step}, from then on {ratios[reached..].Average():F3} of it on average ({ratios[reached..].Min():F2} to {ratios[reached..].Max():F2})");
        }

        if (!quick && (reached < 0 || Math.Abs(ratios[reached..].Average() - 1) > 0.1))
        {
            throw new CurvatureException($"At eta {rate} the sharpness does not stay within a tenth of 2 / eta on average.");
        }
    }
}
