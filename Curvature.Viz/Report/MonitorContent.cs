using Curvature.Sharpness;
using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>The page of a training that a <see cref="SharpnessMonitor"/> watched.</summary>
public static class MonitorContent
{
    private const int MostRows = 40;

    /// <summary>Puts records into words, curves and a table.</summary>
    /// <param name="name">The run's name.</param>
    /// <param name="records">In the order of their steps.</param>
    /// <param name="environment">Versions and the file's hash: names in snake case.</param>
    /// <param name="command">What repeats the page.</param>
    /// <exception cref="CurvatureException">No record.</exception>
    public static ReportContent Of(string name, IReadOnlyList<MonitorRecord> records, IReadOnlyList<KeyValuePair<string, object?>> environment, string? command = null)
    {
        ArgumentNullException.ThrowIfNull(records);
        if (records.Count == 0)
        {
            throw new CurvatureException($"{name} holds no observation: expected a line for each, got none. Call Observe(step) in the training loop.");
        }

        MonitorRecord first = records[0], last = records[^1];
        return new ReportContent
        {
            Kind = "Training report",
            Title = name,
            Lead = $"{NumberText.Of(records.Count, "observation")} of the curvature from step {NumberText.Of(first.Step)} to step {NumberText.Of(last.Step)}.",
            Headlines = [.. Headlines(records)],
            Findings = MonitorFindings.Of(records),
            Sections = [.. Sections(records)],
            Environment = environment,
            Command = command,
        };
    }

    private static IEnumerable<Headline> Headlines(IReadOnlyList<MonitorRecord> records)
    {
        MonitorRecord[] sharp = [.. records.Where(record => record.Sharpness is not null)];
        if (sharp is [.., var end])
        {
            MonitorRecord highest = sharp.MaxBy(record => record.Sharpness!.Value)!;
            yield return new(
                "Sharpness at the end",
                NumberText.Of(end.Sharpness!.Value),
                $"The largest eigenvalue of the Hessian at step {NumberText.Of(end.Step)}; {NumberText.Of(sharp[0].Sharpness!.Value)} at the start, at most {NumberText.Of(highest.Sharpness!.Value)} at step {NumberText.Of(highest.Step)}.");
            if (end.CriticalSharpness is { } critical)
            {
                yield return new(
                    "Edge of stability",
                    $"{NumberText.Of(end.Sharpness!.Value / critical, 3)} of it",
                    $"The sharpness over the limit {NumberText.Of(critical)} at which full-batch steps with the learning rate {NumberText.Of(end.LearningRate ?? double.NaN, 3)} stop shrinking. Near 1 training keeps itself there.");
            }
        }

        if (records.LastOrDefault(record => record.Trace is not null) is { Trace: { } trace } traced)
        {
            yield return new(
                "Trace at the end",
                double.IsFinite(trace.StandardError) ? NumberText.Of(trace) : NumberText.Of(trace.Value, 2),
                $"Sum of all curvatures at step {NumberText.Of(traced.Step)}{(double.IsFinite(trace.StandardError) ? "" : ", from one probe")}.");
        }

        if (records.LastOrDefault(record => record.Loss is not null) is { Loss: { } loss } lost)
        {
            yield return new("Loss", NumberText.Of(loss), $"Of what was watched, at step {NumberText.Of(lost.Step)}; {NumberText.Of(records.First(record => record.Loss is not null).Loss!.Value)} at the start.");
        }

        yield return new("Overhead", double.IsFinite(records[^1].Overhead) ? NumberText.Of(100 * records[^1].Overhead, 2) + "\u00A0%" : "unknown", "Seconds of all observations as a share of those of the training.");
    }

    private static IEnumerable<ReportSection> Sections(IReadOnlyList<MonitorRecord> records)
    {
        Curve Curve(string title, Func<MonitorRecord, double?> of, CurveKind kind = CurveKind.Measured) =>
            new(title, [.. records.Select(record => ((double)record.Step, of(record) ?? double.NaN))], kind);
        ReportSection? Section(string heading, string words, string name, string title, string axis, bool logarithmic, string caption, params Curve[] curves)
        {
            Curve[] there = [.. curves.Where(curve => curve.Points.Any(point => double.IsFinite(point.Y)))];
            return there.All(curve => curve.Kind == CurveKind.Limit) ? null : new ReportSection(heading, [new Paragraph(words), new ReportFigure(new CurvesFigure(name, title, axis, there, logarithmic), caption)]);
        }

        ReportSection?[] sections =
        [
            Section(
                "Sharpness",
                "Trained with full batches at a constant rate, networks sharpen until the largest eigenvalue stands at the edge of stability, 2 / η for gradient descent, and stay there while the loss goes on falling in oscillations. "
                + "With mini-batches it is the curvature along their own gradients, the batch sharpness, that goes there.",
                "sharpness",
                "Sharpness",
                "curvature",
                IsFarBelowEdge(records),
                $"The largest eigenvalue of the Hessian; dashed the edge of stability, where the learning rate was known{(IsFarBelowEdge(records) ? ": far above, and so the scale is logarithmic" : "")}.",
                Curve("sharpness λmax", record => record.Sharpness?.Value),
                Curve("batch sharpness", record => record.BatchSharpness?.Value, CurveKind.Beside),
                Curve("edge of stability", record => record.CriticalSharpness, CurveKind.Limit)),
            Section("Trace", "The sum of all curvatures; with few probes an observation it scatters.", "trace", "Trace", "trace", false, "Estimates of the Hessian's trace.", Curve("trace", record => record.Trace?.Value)),
            Section(
                "Loss",
                "Of the samples that were watched.",
                "loss",
                "Loss and gradient",
                "loss, gradient norm",
                true,
                "The loss and the norm of its gradient.",
                Curve("loss", record => record.Loss),
                Curve("gradient norm", record => record.GradientNorm, CurveKind.Beside)),
            Section(
                "Alignment",
                "How much of the gradient lies along the sharpest direction: 1 is all of it.",
                "alignment",
                "Alignment of the gradient",
                "|gᵀu| / |g|",
                false,
                "u is the eigenvector of the largest eigenvalue.",
                Curve("alignment", record => record.Alignment)),
            new ReportSection("Observations", [Table(records)]),
        ];
        return sections.OfType<ReportSection>();
    }

    /// <summary>Whether on a linear scale up to the edge what was measured would lie flat on the ground.</summary>
    private static bool IsFarBelowEdge(IReadOnlyList<MonitorRecord> records)
    {
        const double Far = 4;
        double[] measured = [.. records.SelectMany(record => (double?[])[record.Sharpness?.Value, record.BatchSharpness?.Value]).OfType<double>().Where(double.IsFinite)];
        double edge = records.Select(record => record.CriticalSharpness ?? 0).Where(double.IsFinite).DefaultIfEmpty(0).Max();
        return measured.Length > 0 && measured.Min() > 0 && edge > Far * measured.Max();
    }

    private static ReportTable Table(IReadOnlyList<MonitorRecord> records)
    {
        int stride = (records.Count + MostRows - 1) / MostRows;
        MonitorRecord[] shown = [.. records.Where((_, i) => i % stride == 0 || i == records.Count - 1)];
        (string Title, Func<MonitorRecord, double?> Of)[] columns =
        [
            ("loss", record => record.Loss),
            ("gradient norm", record => record.GradientNorm),
            ("sharpness", record => record.Sharpness?.Value),
            ("edge", record => record.CriticalSharpness),
            ("trace", record => record.Trace?.Value),
            ("batch sharpness", record => record.BatchSharpness?.Value),
            ("alignment", record => record.Alignment),
            ("learning rate", record => record.LearningRate),
        ];
        (string Title, Func<MonitorRecord, double?> Of)[] there = [.. columns.Where(column => shown.Any(record => column.Of(record) is not null))];
        return new ReportTable(
            shown.Length == records.Count ? "All observations" : $"{NumberText.Of(shown.Length, "observation")} of {NumberText.Of(records.Count)}; report.json has them all",
            [new("step"), .. there.Select(column => new ReportColumn(column.Title))],
            [.. shown.Select(record => (string[])[NumberText.Of(record.Step), .. there.Select(column => column.Of(record) is { } value ? NumberText.Of(value) : "")])]);
    }
}
