using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Tests.Viz;

/// <summary>Made-up plans of a network of four layers.</summary>
internal static class PlanSamples
{
    public static PlanReport Report { get; } = Of(["conv1", "conv2", "fc1", "fc2"], layer => 2.0 / (layer + 1));

    /// <summary>One of a table alone, without measurements.</summary>
    public static PlanReport OfTable { get; } = Report with { Measured = null };

    /// <summary>The same with one name for everything that has one.</summary>
    public static PlanReport Named(string name) => Of([.. Enumerable.Range(0, 4).Select(i => name + i)], layer => 1 + layer) with
    {
        Name = name,
        Command = name,
        Environment = [new(name, name)],
        Findings = [Finding.Of(name, Severity.Warning, name, (name, name))],
    };

    /// <summary>Sensitivities below and at zero, where no logarithm goes.</summary>
    public static PlanReport Negative { get; } = Of(["a", "b", "c", "d"], layer => layer - 1.5);

    private static PlanReport Of(string[] names, Func<int, double> trace)
    {
        long[] sizes = [150, 2400, 48_000, 840];
        var table = new LayerTable
        {
            Bits = [2, 4, 8],
            Layers =
            [
                .. names.Select((name, i) => new TableLayer
                {
                    Name = name,
                    Parameters = sizes[i],
                    Macs = 100 * sizes[i],
                    Group = i < 2 ? "g" : null,
                    Fixed = i == 3 ? 8 : null,
                    AverageTrace = trace(i),
                    TraceStandardError = 0.25,
                    Error = new Dictionary<int, double> { [2] = 4 + i, [4] = 0.25, [8] = 0.001 },
                }),
            ],
        };
        var problem = new PlanningProblem(table);
        Limit[] limits = [Limit.AverageBits(4)];
        BitPlan plan = new ExactPlanner().Plan(problem, limits);
        (string, BitPlan)[] others = [.. table.Bits.Select(bits => ($"{bits} bits", problem.Uniform(bits)))];
        return new PlanReport
        {
            Name = "sample-net.pt",
            Environment = [new("curvature", "0.1.0"), new("seconds", 1.5)],
            Problem = problem,
            Plan = plan,
            Search = "exact",
            Limits = limits,
            Others = others,
            Frontier = ParetoFrontier.Of(problem, PlanCost.Size),
            Uncertainty = ChoiceUncertainty.Of(problem, limits, plan, draws: 20),
            Command = "curvature plan sample-net.pt --limit avg-bits=4",
            Measured = new PlanMeasurement
            {
                DataName = "train.npz",
                TestName = "test.npz",
                LossName = "cross-entropy",
                Sensitivity = "hessian",
                IncreaseFactor = 0.5,
                Predicted = 0.05,
                Samples = 1024,
                Baseline = new PlanQuality("float", null, new NetworkQuality(0.25, 0.95), new NetworkQuality(0.5, 0.9)),
                Plans =
                [
                    new PlanQuality("this plan", plan, new NetworkQuality(0.3, 0.94), new NetworkQuality(0.55, 0.89)),
                    .. others.Select((other, i) => new PlanQuality(other.Item1, other.Item2, new NetworkQuality(0.3 - (0.01 * i), 0.93), new NetworkQuality(0.6 - (0.05 * i), 0.8 + (0.03 * i)))),
                ],
                Increases = table with { Layers = [.. table.Layers.Select(layer => layer with { Error = layer.Error!.ToDictionary(pair => pair.Key, pair => 0.4 * pair.Value) })] },
                Ranks = [(2, new KendallTau(1.0 / 3, 4)), (4, new KendallTau(1, 4)), (8, new KendallTau(double.NaN, 4))],
                FineTuning = [.. names.Select((name, i) => (name, 4.0 - i))],
            },
        };
    }
}
