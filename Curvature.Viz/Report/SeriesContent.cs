using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Sharpness;
using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>
/// The page of several checkpoints, measured alike: on the same samples, with the same seed and so, where they have as many parameters, with the same probes. Trends over a series, differences of two.
/// </summary>
public static class SeriesContent
{
    private const int MostColumns = 7;
    private const double Trend = 1.25;

    /// <summary>Puts reports into curves and tables.</summary>
    /// <param name="reports">At least two, in the order of the series.</param>
    /// <param name="command">What repeats the page.</param>
    /// <exception cref="CurvatureException">Less than two.</exception>
    public static ReportContent Of(IReadOnlyList<SharpnessReport> reports, string? command = null)
    {
        ArgumentNullException.ThrowIfNull(reports);
        if (reports.Count < 2)
        {
            throw new CurvatureException($"A series takes at least two checkpoints; got {reports.Count}.");
        }

        string[] names = Names(reports);
        return new ReportContent
        {
            Kind = reports.Count == 2 ? "Comparison" : "Series",
            Title = $"{names[0]} to {names[^1]}",
            Lead = $"Curvature of the {reports[0].LossName} loss of {NumberText.Of(reports.Count, "checkpoint")} on {reports[0].DataName}, with common samples and probes.",
            Headlines = [.. Headlines(reports)],
            Findings = Quantities(reports[0].Environment, command, reports).Findings(Findings(reports, names)),
            Sections = [.. Sections(reports, names)],
            Command = command,
            Cuts = [.. reports.SelectMany(report => report.Cuts).Distinct()],
            Environment = reports[0].Environment,
        };
    }

    /// <summary>
    /// <c>environment</c> of the first, <c>command</c>, <c>checkpoints</c> (each with <c>model</c>, <c>sha256</c>, <c>loss</c>, <c>gradient_norm</c>, <c>trace</c>, <c>layers</c>, <c>eigenvalues</c>), <c>findings</c>.
    /// </summary>
    /// <param name="content">The page.</param>
    /// <param name="reports">What it is about.</param>
    public static string Json(ReportContent content, IReadOnlyList<SharpnessReport> reports)
    {
        ArgumentNullException.ThrowIfNull(content);
        return Quantities(content.Environment, content.Command, reports).Write(content.Findings);
    }

    private static JsonReport Quantities(IReadOnlyList<KeyValuePair<string, object?>> environment, string? command, IReadOnlyList<SharpnessReport> reports) =>
        new JsonReport(environment)
            .Add("command", command)
            .Add("checkpoints", reports.Select(report => new Dictionary<string, object?>
            {
                ["model"] = report.ModelName,
                ["sha256"] = report.Environment.FirstOrDefault(entry => entry.Key == "model_sha256").Value,
                ["parameters"] = report.Summary.Parameters,
                ["loss"] = report.Summary.Loss,
                ["gradient_norm"] = report.Summary.GradientNorm,
                ["trace"] = report.Summary.Trace?.Total,
                ["layers"] = report.Summary.Trace?.Layers,
                ["eigenvalues"] = report.Summary.Eigenvalues,
            }));

    /// <summary>Names of the checkpoints; those that are not unique with their place.</summary>
    private static string[] Names(IReadOnlyList<SharpnessReport> reports) =>
        [.. reports.Select((report, i) => reports.Count(other => other.ModelName == report.ModelName) > 1 ? $"{report.ModelName} ({i + 1})" : report.ModelName)];

    private static IEnumerable<Headline> Headlines(IReadOnlyList<SharpnessReport> reports)
    {
        SharpnessSummary first = reports[0].Summary, last = reports[^1].Summary;
        if (first.Largest is { } before && last.Largest is { } after)
        {
            yield return new(
                "Sharpness λmax",
                $"{SharpnessHeadlines.Known(before)} → {SharpnessHeadlines.Known(after)}",
                $"The largest eigenvalue, from the first checkpoint to the last.{(before.Converged && after.Converged ? "" : " One that did not converge is a lower bound.")}");
        }

        foreach ((string label, double? from, double? to, string meaning) in ((string, double?, double?, string)[])
            [
                ("Trace", first.Trace?.Total.Value, last.Trace?.Total.Value, "Sum of all curvatures."),
                ("Loss", first.Loss, last.Loss, "On the samples measured."),
                ("Gradient norm", first.GradientNorm, last.GradientNorm, "0 at a stationary point."),
            ])
        {
            if (from is { } start && to is { } end)
            {
                yield return new(label, $"{NumberText.Of(start)} → {NumberText.Of(end)}", meaning);
            }
        }
    }

    private static IReadOnlyList<Finding> Findings(IReadOnlyList<SharpnessReport> reports, string[] names)
    {
        IEnumerable<Finding> each = reports.SelectMany((report, i) => SharpnessJson.Findings(report)
            .Where(finding => finding.Severity > Severity.Info)
            .Select(finding => finding with { Message = $"{names[i]}: {finding.Message}" }));
        return [.. each.Concat(Trends(reports)).OrderByDescending(finding => finding.Severity)];
    }

    private static IEnumerable<Finding> Trends(IReadOnlyList<SharpnessReport> reports)
    {
        if (reports[0].Summary.Largest is not { Value: > 0 and var from } first || reports[^1].Summary.Largest is not { Value: > 0 and var to } last)
        {
            yield break;
        }

        // The one that did not converge may be larger: where it is the larger one already, that changes nothing.
        Eigenvalue smaller = to > from ? first : last;
        double ratio = Math.Max(to / from, from / to);
        if (ratio > Trend && smaller.Converged)
        {
            string Bound(Eigenvalue value) => value.Converged ? "" : "at least ";
            yield return Finding.Of(
                to > from ? "sharpening" : "flattening",
                Severity.Info,
                FormattableString.Invariant($"From the first checkpoint to the last the sharpness {(to > from ? "rose" : "fell")} {Bound(to > from ? last : first)}{ratio:G3} times, from {Bound(first)}{from:G4} to {Bound(last)}{to:G4}."),
                ("from", from),
                ("to", to));
        }
    }

    private static IEnumerable<ReportSection> Sections(IReadOnlyList<SharpnessReport> reports, string[] names)
    {
        if (reports.Count == 2)
        {
            yield return new ReportSection("Differences", [Differences(reports, names)]);
        }

        Curve Curve(string title, Func<SharpnessSummary, double?> of, CurveKind kind = CurveKind.Measured) =>
            new(title, [.. reports.Select((report, i) => ((double)(i + 1), of(report.Summary) ?? double.NaN))], kind);
        (string Heading, string Name, string Axis, bool Logarithmic, Curve[] Curves)[] figures =
        [
            ("Sharpness", "sharpness-trend", "eigenvalue", false, [Curve("largest λmax found", summary => summary.Largest?.Value), Curve("smallest found", summary => Smallest(summary), CurveKind.Beside)]),
            ("Trace", "trace-trend", "trace", false, [Curve("trace", summary => summary.Trace?.Total.Value)]),
            ("Loss", "loss-trend", "loss, gradient norm", true, [Curve("loss", summary => summary.Loss), Curve("gradient norm", summary => summary.GradientNorm, CurveKind.Beside)]),
        ];
        foreach ((string heading, string name, string axis, bool logarithmic, Curve[] curves) in figures)
        {
            Curve[] there = [.. curves.Where(curve => curve.Points.Any(point => double.IsFinite(point.Y)))];
            if (there.Length > 0 && reports.Count > 2)
            {
                yield return new ReportSection(heading, [new ReportFigure(new CurvesFigure(name, heading, axis, there, logarithmic, "checkpoint"), "In the order given; the table below has the names.")]);
            }
        }

        yield return new ReportSection("Checkpoints", [Table(reports, names)]);
        if (reports.All(report => report.Summary.Trace is { Layers.Count: > 0 }))
        {
            yield return new ReportSection("Layers", [Layers(reports, names)]);
        }
    }

    private static double? Smallest(SharpnessSummary summary) => summary.Eigenvalues.Count > 1 && summary.Which != Spectrum.Largest ? summary.Eigenvalues.Min(eigenvalue => eigenvalue.Value) : null;

    private static ReportTable Table(IReadOnlyList<SharpnessReport> reports, string[] names) => new(
        "What was measured, in the order given",
        [new("checkpoint", false), new("loss"), new("gradient norm"), new("λmax"), new("smallest found"), new("trace"), new("2 / λmax")],
        [.. reports.Select((report, i) => (string[])
        [
            $"{i + 1}. {names[i]}",
            Text(report.Summary.Loss),
            Text(report.Summary.GradientNorm),
            Text(report.Summary.Largest),
            Text(Smallest(report.Summary)),
            report.Summary.Trace is { } trace ? NumberText.Of(trace.Total) : "",
            report.Summary.LargestStableLearningRate is { } rate ? $"{(report.Summary.Largest!.Converged ? "" : "below ")}{NumberText.Of(rate)}" : "",
        ])]);

    private static ReportTable Differences(IReadOnlyList<SharpnessReport> reports, string[] names)
    {
        SharpnessSummary first = reports[0].Summary, second = reports[1].Summary;
        string[]? Row(string name, double? from, double? to) =>
            from is { } a && to is { } b ? [name, NumberText.Of(a), NumberText.Of(b), NumberText.Of(b - a), NumberText.Of(b / a, 3)] : null;
        string[]? sharpness = (first.Largest, second.Largest) switch
        {
            ({ Converged: true } a, { Converged: true } b) => Row("sharpness λmax", a.Value, b.Value),
            ({ } a, { } b) => ["sharpness λmax", Text(a), Text(b), "", ""], // bounds have no difference
            _ => null,
        };
        List<IReadOnlyList<string>> rows =
        [
            .. ((string[]?[])
            [
                Row("loss", first.Loss, second.Loss),
                Row("gradient norm", first.GradientNorm, second.GradientNorm),
                sharpness,
                Row("smallest eigenvalue found", Smallest(first), Smallest(second)),
            ]).OfType<string[]>(),
        ];
        if (first.Trace is { Total: var from } && second.Trace is { Total: var to })
        {
            Estimate change = new(to.Value - from.Value, Math.Sqrt((from.StandardError * from.StandardError) + (to.StandardError * to.StandardError)), 0, Math.Min(from.Samples, to.Samples));
            rows.Add([$"trace", NumberText.Of(from), NumberText.Of(to), NumberText.Of(change), NumberText.Of(to.Value / from.Value, 3)]);
        }

        return new ReportTable(
            "From the first to the second; the error of the trace's difference is that of independent probes: with the same ones, as here, it is usually less",
            [new("quantity", false), new(names[0]), new(names[1]), new("difference"), new("ratio")],
            rows);
    }

    /// <summary>Each layer's trace over the series; of a long one evenly spaced checkpoints with the first and the last.</summary>
    private static ReportTable Layers(IReadOnlyList<SharpnessReport> reports, string[] names)
    {
        int columns = Math.Min(reports.Count, MostColumns);
        int[] shown = [.. Enumerable.Range(0, columns).Select(i => (int)Math.Round(i * (reports.Count - 1.0) / (columns - 1))).Distinct()];
        string[] layers = [.. reports.SelectMany(report => report.Summary.Trace!.Layers).Select(layer => layer.Name).Distinct()];
        return new ReportTable(
            shown.Length == reports.Count ? "Trace by layer" : $"Trace by layer at {shown.Length} of {reports.Count} checkpoints",
            [new("layer", false), .. shown.Select(i => new ReportColumn(names[i]))],
            [.. layers.Select(name => (string[])[name, .. shown.Select(i => reports[i].Summary.Trace!.Layers.FirstOrDefault(layer => layer.Name == name) is { } layer ? NumberText.Of(layer.Trace) : "")])]);
    }

    private static string Text(Eigenvalue? largest) => largest is { } known ? SharpnessHeadlines.Known(known) : "";

    private static string Text(double? value) => value is { } number ? NumberText.Of(number) : "";
}
