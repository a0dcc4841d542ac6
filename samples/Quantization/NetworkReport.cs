using System.Globalization;
using System.Text;
using Curvature.Estimators;
using Curvature.Quant.Sensitivity;
using Curvature.Viz.Figures;

namespace Curvature.Samples.Quantization;

/// <summary>What the page says of one network.</summary>
internal sealed class NetworkReport
{
    private readonly QuantizationResults _results;

    public NetworkReport(StudyNetwork network, QuantizationResults results)
    {
        (Network, _results) = (network, results);
        Seeds = [.. Enumerable.Range(0, QuantizationStudy.Seeds).Where(seed => AreMade(WeightGrid.All[0], seed))];
        Grids = [.. WeightGrid.All.Where(grid => Seeds.All(seed => AreMade(grid, seed)))];
    }

    public StudyNetwork Network { get; }

    /// <summary>The seeds that count.</summary>
    public IReadOnlyList<int> Seeds { get; }

    /// <summary>Whether all seeds are complete, but for further kinds of grids.</summary>
    public bool IsThere => Seeds.Count == QuantizationStudy.Seeds;

    /// <summary>Kinds of grids of which all plans are there.</summary>
    public IReadOnlyList<WeightGrid> Grids { get; }

    public IReadOnlyList<Figure> Figures => [new AccuracyFigure(this), new BitsFigure(this), new PredictionFigure(this)];

    /// <summary>Names of the plans to compare, uniform first.</summary>
    public static IReadOnlyList<string> Methods { get; } = [PlanRuns.Uniform, .. PlanMethod.All.Select(method => method.Name)];

    /// <summary>Test accuracy in floating point.</summary>
    public Estimate Float => Mean(Plans(PlanKind.Float, PlanRuns.Float).Select(plan => plan.TestAccuracy));

    /// <summary>A method's plans, a seed each.</summary>
    public PlanLine[] Plans(PlanKind kind, string method) => [.. Seeds.Select(seed => _results.Plans(Network, kind, method).First(plan => plan.Seed == seed))];

    /// <summary>A sensitivity's lines, a seed each.</summary>
    public LayerLine[] Layers(WeightGrid grid, string method) => [.. Seeds.Select(seed => _results.Layers(Network, grid, method).First(line => line.Seed == seed))];

    /// <summary>By how much the test accuracy of a method's plans is above that of others with the same seeds.</summary>
    public Estimate Gain(PlanKind kind, string method, PlanKind otherKind, string other) =>
        Mean(Plans(kind, method).Zip(Plans(otherKind, other), (a, b) => a.TestAccuracy - b.TestAccuracy));

    /// <summary>1: a method's plans are better than the uniform one beyond what three seeds leave open; -1: worse; 0: neither can be said.</summary>
    public int Verdict(PlanKind kind, string method)
    {
        (double low, double high) = Gain(kind, method, kind, PlanRuns.Uniform).ConfidenceInterval();
        return low > 0 ? 1 : high < 0 ? -1 : 0;
    }

    /// <summary>Kendall's tau-b between a sensitivity and the increase of the test loss, over the layers at one width, or, with null, over all layers and widths.</summary>
    public Estimate Tau(WeightGrid grid, string method, int? bits) => Mean(Layers(grid, method).Zip(Layers(grid, PlanRuns.Test), (line, test) =>
    {
        int[] widths = bits is { } width ? [width] : [.. PlanRuns.TestBits];
        return PlanRuns.Rounded(KendallTau.Of([.. widths.SelectMany(line.At)], [.. widths.SelectMany(test.At)]).Value);
    }));

    /// <summary>Its part of the page.</summary>
    public string Section()
    {
        StringBuilder text = new();
        text.Append($"## {Network.Title}\n\n{char.ToUpperInvariant(Network.Text[0])}{Network.Text[1..]}. In floating point its test accuracy is {NumberText.Percent(Float)}.\n\n");
        text.Append($"![{Figures[0].Title}]({Figures[0].Name}.svg)\n\n");
        foreach (WeightGrid grid in Grids)
        {
            foreach (bool endsAt8 in (bool[])[false, true])
            {
                text.Append(Table(grid, endsAt8)).Append('\n');
            }
        }

        text.Append($"![{Figures[1].Title}]({Figures[1].Name}.svg)\n\n").Append(BitsTable()).Append('\n');
        return text.Append($"![{Figures[2].Title}]({Figures[2].Name}.svg)\n").ToString();
    }

    /// <summary>A percentage of points with its sign.</summary>
    public static string Points(Estimate difference)
    {
        string text = NumberText.Of(difference with { Value = 100 * difference.Value, StandardError = 100 * difference.StandardError });
        return difference.Value > 0 ? "+" + text : text;
    }

    private bool AreMade(WeightGrid grid, int seed) => new PlanRuns(Network, seed, grid, _results, CancellationToken.None).AreMade;

    private static Estimate Mean(IEnumerable<double> samples) => Estimate.FromSamples([.. samples], products: 0);

    /// <summary>Accuracies and losses of all plans on one kind of grid.</summary>
    private string Table(WeightGrid grid, bool endsAt8)
    {
        StringBuilder text = new();
        PlanKind four = new(grid.Name, endsAt8, 4), three = four with { AverageBits = 3 };
        text.Append($"**{char.ToUpperInvariant(grid.Name[0])}{grid.Name[1..]} grids, {(endsAt8 ? "first and last layer at 8 bits, the others as large as at" : "all layers together as large as at")} 4 or 3 bits throughout.**\n\n");
        text.Append("| plan | 4 bits: accuracy | above uniform | seeds | loss | 3 bits: accuracy | above uniform | seeds | loss |\n|---|---|---|---|---|---|---|---|---|\n");
        foreach (string method in Methods)
        {
            text.Append($"| {method} | {Cells(four, method)} | {Cells(three, method)} |\n");
        }

        return text.ToString();
    }

    private string Cells(PlanKind kind, string method)
    {
        PlanLine[] plans = Plans(kind, method), uniform = Plans(kind, PlanRuns.Uniform);
        string accuracy = NumberText.Percent(Mean(plans.Select(plan => plan.TestAccuracy))), loss = NumberText.Of(Mean(plans.Select(plan => plan.TestLoss)));
        if (method == PlanRuns.Uniform)
        {
            return $"{accuracy} | | | {loss}";
        }

        int better = plans.Zip(uniform).Count(pair => pair.First.TestAccuracy > pair.Second.TestAccuracy);
        string word = Verdict(kind, method) switch { > 0 => "**better**, ", < 0 => "**worse**, ", _ => "" };
        return $"{accuracy} | {word}{Points(Gain(kind, method, kind, PlanRuns.Uniform))} | {better} of {plans.Length} | {loss}";
    }

    /// <summary>The bits that plans give each layer at the size of 3, a seed after the other.</summary>
    private string BitsTable()
    {
        PlanKind kind = BitsFigure.Kind;
        StringBuilder text = new();
        text.Append($"Bits at the size of {kind.AverageBits} throughout, {kind.Grid} grids; one digit for each seed.\n\n");
        text.Append($"| layer | weights | {string.Join(" | ", BitsFigure.Methods)} |\n|---|---|{string.Concat(BitsFigure.Methods.Select(_ => "---|"))}\n");
        PlanLine[][] plans = [.. BitsFigure.Methods.Select(method => Plans(kind, method))];
        foreach ((string layer, long weights) in Network.Layers)
        {
            text.Append($"| `{layer}` | {weights.ToString("N0", CultureInfo.InvariantCulture)} | {string.Join(" | ", plans.Select(seeds => string.Join(' ', seeds.Select(plan => plan.Bits[layer]))))} |\n");
        }

        return text.ToString();
    }
}
