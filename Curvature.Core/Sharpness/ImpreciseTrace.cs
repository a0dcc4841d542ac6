namespace Curvature.Sharpness;

/// <summary>A trace whose 95 % interval is wider than a fifth of the trace on either side, or unknown.</summary>
public sealed class ImpreciseTrace : IFindingRule
{
    private const double Acceptable = 0.2;

    /// <inheritdoc/>
    public string Id => "imprecise-trace";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        if (summary.Trace is not { Total: var total } || !double.IsFinite(total.Value))
        {
            yield break;
        }

        if (total.Samples == 1)
        {
            yield return Finding.Of(Id, Severity.Warning, "The trace rests on one probe: its error is unknown. Ask for more.", ("probes", 1));
            yield break;
        }

        (double low, double high) = total.ConfidenceInterval();
        if ((high - low) / 2 > Acceptable * Math.Abs(total.Value))
        {
            yield return Finding.Of(
                Id,
                Severity.Warning,
                FormattableString.Invariant(
                    $"The trace is only known to lie in {low:G3} .. {high:G3} (95 %). Four times the probes halve that interval."),
                ("low", low),
                ("high", high),
                ("probes", total.Samples));
        }
    }
}
