using Curvature.Sharpness;

namespace Curvature.Viz.Report;

/// <summary>What a reader must know about a training that was watched.</summary>
public static class MonitorFindings
{
    private const double Edge = 0.1, Sharpening = 2, Costly = 0.1;

    /// <summary>The findings, the most serious first.</summary>
    /// <param name="records">In the order of their steps.</param>
    public static IReadOnlyList<Finding> Of(IReadOnlyList<MonitorRecord> records)
    {
        ArgumentNullException.ThrowIfNull(records);
        return [.. All(records).OrderByDescending(finding => finding.Severity)];
    }

    private static IEnumerable<Finding> All(IReadOnlyList<MonitorRecord> records)
    {
        if (records.FirstOrDefault(record => record.Problem is not null) is { } broken)
        {
            int count = records.Count(record => record.Problem is not null);
            yield return Finding.Of(
                "non-finite",
                Severity.Error,
                FormattableString.Invariant($"At step {broken.Step} something was not finite, as at {count} of {records.Count} observations: {broken.Problem}"),
                ("step", broken.Step),
                ("observations", count));
        }

        MonitorRecord[] sharp = [.. records.Where(record => record.Sharpness is { Value: var value } && double.IsFinite(value))];
        int unsettled = sharp.Count(record => !record.Sharpness!.Converged);
        if (unsettled > 0)
        {
            yield return Finding.Of(
                "not-converged",
                unsettled > sharp.Length / 2 ? Severity.Warning : Severity.Info,
                FormattableString.Invariant($"The sharpness of {unsettled} of {sharp.Length} observations has not converged and may be larger. Allow more products an observation (MaxProducts)."),
                ("observations", unsettled));
        }

        MonitorRecord[] judged = [.. sharp.Where(record => record.CriticalSharpness > 0)];
        if (judged is [.., var end])
        {
            double ratio = end.Sharpness!.Value / end.CriticalSharpness!.Value;
            int near = judged.Count(record => record.Sharpness!.Value >= (1 - Edge) * record.CriticalSharpness);
            string share = FormattableString.Invariant($"{near} of {judged.Length} observations were at it or beyond");
            yield return Finding.Of(
                "edge-of-stability",
                ratio > 1 + Edge ? Severity.Warning : Severity.Info,
                ratio switch
                {
                    > 1 + Edge => FormattableString.Invariant($"At the end the network is sharper than the edge of stability, {ratio:G3} times over: full-batch steps grow along the sharpest direction; {share}."),
                    >= 1 - Edge => FormattableString.Invariant($"At the end the network is at the edge of stability ({ratio:G3} of it); {share}."),
                    _ => FormattableString.Invariant($"At the end the network is inside the edge of stability ({ratio:G3} of it); {share}."),
                },
                ("ratio", ratio),
                ("observations_at_the_edge", near));
        }

        if (sharp is [var start, .., var finish] && start.Sharpness!.Value > 0 && finish.Sharpness!.Value > Sharpening * start.Sharpness.Value)
        {
            yield return Finding.Of(
                "progressive-sharpening",
                Severity.Info,
                FormattableString.Invariant($"The sharpness rose {finish.Sharpness.Value / start.Sharpness.Value:G3} times, from {start.Sharpness.Value:G4} to {finish.Sharpness.Value:G4}."),
                ("from", start.Sharpness.Value),
                ("to", finish.Sharpness.Value));
        }

        if (records[^1].Overhead is > Costly and < double.PositiveInfinity)
        {
            yield return Finding.Of(
                "monitor-overhead",
                Severity.Info,
                FormattableString.Invariant($"Watching took {100 * records[^1].Overhead:F0} % of the time of the training. With a fixed Interval observations cost what they cost; without one they are made when they fit into MaxOverhead."),
                ("overhead", records[^1].Overhead));
        }
    }
}
