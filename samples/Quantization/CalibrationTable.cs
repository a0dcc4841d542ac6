using System.Text;
using Curvature.Estimators;
using Curvature.Viz.Figures;

namespace Curvature.Samples.Quantization;

/// <summary>The page's table of networks with weights and activations quantized.</summary>
internal static class CalibrationTable
{
    private const double Point = 0.01;

    /// <summary>The section; empty while no network has all its results.</summary>
    public static string Of(IReadOnlyList<NetworkReport> reports, QuantizationResults results)
    {
        NetworkReport[] there = [.. reports.Where(report => report.Seeds.All(seed => new CalibrationRuns(report.Network, seed, results, CancellationToken.None).AreMade))];
        if (there.Length == 0)
        {
            return "";
        }

        StringBuilder text = new();
        text.Append(
            $"""
            ## Activations at {CalibrationRuns.Bits} bits too

            Weights at the size of {CalibrationRuns.Bits} bits throughout, every layer's input at {CalibrationRuns.Bits} bits, {CalibrationRuns.Grid.Name} grids for weights, ranges of inputs by least squares over {QuantizationStudy.LearningImages} training images,
            which the calibration learns from too. *AdaQuant* learns weights, biases and ranges layer by layer, each layer seeing what the quantized ones before it make; *tuned* takes the statistics of batch norms anew and
            then trains biases to give the outputs of floating point. Differences are to floating point, in points; ✓: within one point of it. The bits of inputs are the same in all plans.


            """.ReplaceLineEndings("\n"));
        (NetworkReport Report, bool EndsAt8)[] columns = [.. there.SelectMany(report => ((bool[])[false, true]).Select(endsAt8 => (report, endsAt8)))];
        text.Append($"| plan | calibration | {string.Join(" | ", columns.Select(column => $"{column.Report.Network.Title}, {(column.EndsAt8 ? "ends at 8" : "all layers")}"))} |\n|---|---|{string.Concat(columns.Select(_ => "---|"))}\n");
        foreach ((string method, Calibration how) in from method in CalibrationRuns.Methods from how in Calibration.All select (method, how))
        {
            text.Append($"| {method} | {how.Name} | {string.Join(" | ", columns.Select(column => Cell(column.Report, column.EndsAt8, method, how, results)))} |\n");
        }

        return text.Append($"\nIn floating point: {string.Join(", ", there.Select(report => $"{report.Network.Title} {NumberText.Percent(report.Float)}"))}.\n").ToString();
    }

    private static string Cell(NetworkReport report, bool endsAt8, string method, Calibration how, QuantizationResults results)
    {
        Estimate loss = Estimate.FromSamples(
            [.. report.Seeds.Zip(report.Plans(PlanKind.Float, PlanRuns.Float), (seed, whole) => results.Calibrated(report.Network, endsAt8, method, how).First(line => line.Seed == seed).TestAccuracy - whole.TestAccuracy)],
            products: 0);
        return $"{NetworkReport.Points(loss)}{(loss.Value >= -Point ? " ✓" : "")}";
    }
}
