using System.Text;
using Curvature.Quant.Sensitivity;
using Curvature.Samples.Study;
using Curvature.Viz.Figures;
using Curvature.Viz.Report;

namespace Curvature.Samples.Quantization;

/// <summary>The page of the study and its figures, from the results alone. What stands between its two marks is written by hand and kept.</summary>
internal static class QuantizationPage
{
    public const string Name = "quantization.md";

    /// <summary>Writes page and figures beside the results.</summary>
    public static void Write(string folder, QuantizationResults results)
    {
        string page = Path.Combine(folder, Name), earlier = File.Exists(page) ? File.ReadAllText(page) : "";
        AtomicFile.WriteAll([.. Files(results, earlier).Select(file => (Path.Combine(folder, file.Name), AtomicFile.Text(file.Text)))]);
    }

    /// <summary>The files.</summary>
    /// <param name="results">All results.</param>
    /// <param name="earlier">The page as it was, for what was written by hand in it.</param>
    public static IReadOnlyList<(string Name, string Text)> Files(QuantizationResults results, string earlier)
    {
        NetworkReport[] reports = [.. KnownStudyNetworks.All.Select(network => new NetworkReport(network, results)).Where(report => report.IsThere)];
        return
        [
            (Name, Page(reports, results, HandWritten.In(earlier))),
            .. reports.SelectMany(report => report.Figures).Select(figure =>
                (figure.Name + ".svg", AccessibleSvg.Of(figure.ToSvg(FigureTheme.Paper), figure.Name, figure.Title, figure.Description) + "\n")),
        ];
    }

    private static string Page(IReadOnlyList<NetworkReport> reports, QuantizationResults results, string hand)
    {
        StringBuilder page = new();
        page.Append(
            $"""
            # Bit-width plans by every sensitivity

            A plan gives the layers of a network different bits so that all weights together are no larger than at 4, or at 3, bits throughout. What it is worth hangs on how well one can tell beforehand what a layer's
            bits matter. Here every sensitivity of this library makes such plans for two networks, and test images say which are better than uniform bits of the same size.

            - **Networks.** Two, each trained {QuantizationStudy.Seeds} times on the 60,000 training images of Fashion-MNIST: SGD with Nesterov's momentum of 0.9, batches of 128, 10 epochs, rates after a warm-up along a cosine to 0. Nothing
              was chosen by the 10,000 test images, which only measure.
            - **Sensitivities** see {QuantizationStudy.CalibrationImages} training images, others for each seed. Plans choose from {string.Join(", ", PlanMethod.Bits)} bits by the exact planner: the least sum of sensitivities within the size.
            - **Size.** Weights of convolutions and linear layers; biases, norms and activations stay in floating point. Of the two comparisons, one counts all layers, the other has the first and the last at 8 bits, in the uniform plan too.
            - **Grids.** {string.Join("; ", WeightGrid.All.Select(grid => $"*{grid.Name}*: {grid.Text}"))}.

            ± is a standard error over the {QuantizationStudy.Seeds} seeds. *Above uniform* are differences with the same seed, in points; **better** and **worse** where 0 lies outside their 95 % interval (4.30 standard errors), and no word
            where {QuantizationStudy.Seeds} seeds leave it open. *Seeds*: in how many the accuracy is higher than the uniform plan's.

            | plan | sensitivity of a layer, e = Q(W) − W | after | costs | processor seconds |
            |---|---|---|---|---|

            """.ReplaceLineEndings("\n"));
        foreach (KnownSensitivity known in PlanMethod.Sensitivities)
        {
            page.Append($"| {known.Name} | {known.Formula} | {known.Source} | {known.Cost} | {string.Join(", ", reports.Select(report => NumberText.Of(report.Layers(WeightGrid.All[0], known.Name).Average(line => line.Seconds), 2)))} |\n");
        }

        page.Append("\n*quadratic, pairs* has the terms `eᵀ H_lm e` between layers too, from the same products, and its plan is a local search. L layers, B widths. ");
        page.Append($"*Verified*: the plan stands unless uniform bits have a lower loss on {NumberText.Of(QuantizationStudy.VerificationImages)} training images, beyond what the batches leave open (95 %), and an accuracy no lower. So `curvature plan` does by default, which compares with every plan within the limits that it has: beside that of *quadratic* with *quadratic, pairs* too. ");
        page.Append($"Seconds are those of {string.Join(" and ", reports.Select(report => report.Network.Title))}, on one thread of a machine that did other work too.\n");
        page.Append("\n## In short\n\n").Append(Overview(reports)).Append('\n').Append(Ranks(reports)).Append('\n');
        page.Append(HandWritten.Begins).Append(hand).Append(HandWritten.Ends);
        foreach (NetworkReport report in reports)
        {
            page.Append('\n').Append(report.Section());
        }

        page.Append('\n').Append(CalibrationTable.Of(reports, results));

        return page.Append(
            $"""

            ## How this page is made

            ```sh
            dotnet run --project samples -c Release -- quantization-study    # makes what is missing, then this page and its figures
            ```

            Networks that are not in `artifacts/quantization-study` are trained first, some minutes each on one thread. All results are in [{QuantizationResults.LayersName}]({QuantizationResults.LayersName}), sensitivities by layer and
            width, [{QuantizationResults.PlansName}]({QuantizationResults.PlansName}), plans with what was measured, and [{QuantizationResults.CalibratedName}]({QuantizationResults.CalibratedName}), those with activations; deleting lines there makes those again. A new sensitivity of the catalogue takes part.
            Fashion-MNIST comes from the Debian package `dataset-fashion-mnist`.

            """.ReplaceLineEndings("\n")).ToString();
    }

    /// <summary>Over all comparisons at a size, how often a method's plans are better or worse than uniform ones.</summary>
    private static string Overview(IReadOnlyList<NetworkReport> reports)
    {
        StringBuilder table = new();
        table.Append("Test accuracy above uniform bits of the same size, in points, all layers counted.\n\n");
        (NetworkReport Report, PlanKind Kind)[] columns = [.. reports.SelectMany(report => report.Grids.SelectMany(grid => ((int[])[4, 3]).Select(bits => (report, new PlanKind(grid.Name, EndsAt8: false, bits)))))];
        table.Append($"| plan | {string.Join(" | ", columns.Select(column => $"{column.Report.Network.Title}, {column.Kind.AverageBits} bits, {column.Kind.Grid}"))} |\n|---|{string.Concat(columns.Select(_ => "---|"))}\n");
        foreach (PlanMethod method in PlanMethod.All)
        {
            IEnumerable<string> cells = columns.Select(column =>
                (column.Report.Verdict(column.Kind, method.Name) switch { > 0 => "**better**, ", < 0 => "**worse**, ", _ => "" }) +
                NetworkReport.Points(column.Report.Gain(column.Kind, method.Name, column.Kind, PlanRuns.Uniform)));
            table.Append($"| {method.Name} | {string.Join(" | ", cells)} |\n");
        }

        return table.Append('\n').Append(Counts(reports)).ToString();
    }

    /// <summary>In how many comparisons a method's plans are better or worse than uniform ones, over all networks, grids, both treatments of the ends, and sizes.</summary>
    private static string Counts(IReadOnlyList<NetworkReport> reports)
    {
        (NetworkReport Report, PlanKind Kind)[] all = [.. reports.SelectMany(report => report.Grids.SelectMany(PlanKind.Of).Select(kind => (report, kind)))];
        StringBuilder table = new();
        table.Append($"The same over all {all.Length} comparisons, those with the ends at 8 bits among them:\n\n| plan | better | open, mean above | open, mean equal | open, mean below | worse |\n|---|---|---|---|---|---|\n");
        foreach (PlanMethod method in PlanMethod.All)
        {
            ILookup<int, double> gains = all.ToLookup(one => one.Report.Verdict(one.Kind, method.Name), one => one.Report.Gain(one.Kind, method.Name, one.Kind, PlanRuns.Uniform).Value);
            int Open(int sign) => gains[0].Count(gain => Math.Sign(gain) == sign);
            table.Append($"| {method.Name} | {gains[1].Count()} | {Open(1)} | {Open(0)} | {Open(-1)} | {gains[-1].Count()} |\n");
        }

        return table.ToString();
    }

    /// <summary>Rank correlations.</summary>
    private static string Ranks(IReadOnlyList<NetworkReport> reports)
    {
        WeightGrid grid = WeightGrid.All[0];
        StringBuilder table = new();
        table.Append(
            $"How far the theory holds: Kendall's rank correlation (tau-b) between a sensitivity and what the test loss rises by when one layer alone is quantized, {grid.Name} grids; over the layers at one width, and over all " +
            $"layers at {string.Join(", ", PlanRuns.TestBits)} bits together. 1 is the same order, 0 none. Of *measured* it says what {QuantizationStudy.CalibrationImages} training images tell about test images.\n\n");
        int?[] widths = [.. PlanRuns.TestBits.Select(bits => (int?)bits), null];
        table.Append($"| sensitivity | {string.Join(" | ", reports.SelectMany(report => widths.Select(width => $"{report.Network.Title}, {(width is null ? "all" : $"{width} bits")}")))} |\n|---|{string.Concat(reports.SelectMany(_ => widths).Select(_ => "---|"))}\n");
        foreach (KnownSensitivity known in PlanMethod.Sensitivities)
        {
            table.Append($"| {known.Name} | {string.Join(" | ", reports.SelectMany(report => widths.Select(width => NumberText.Of(report.Tau(grid, known.Name, width)))))} |\n");
        }

        return table.ToString();
    }
}
