namespace Curvature.Sharpness;

/// <summary>
/// Where a learning rate stands against the largest stable one of its rule: beyond it the sharpest direction grows from step to step, near it training keeps itself there
/// (Cohen et al. 2021, arXiv:2103.00065).
/// </summary>
public sealed class EdgeOfStability : IFindingRule
{
    // Full-batch training at the edge hovers within so much of it.
    private const double Edge = 0.1;

    /// <inheritdoc/>
    public string Id => "edge-of-stability";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        if (summary.Stability is not { Setting.LearningRate: { } rate, Ratio: { } ratio, CriticalSharpness: { } critical } stability || !double.IsFinite(ratio))
        {
            yield break;
        }

        OptimizerSetting setting = stability.Setting;
        string what = setting.Rule.IsAdaptive ? "sharpness seen by the rule (λ of P⁻¹H)" : "sharpness λmax";
        string numbers = FormattableString.Invariant($"the {what} is {stability.Relevant.Value:G4} and the limit at this rate {critical:G4}");
        string name = FormattableString.Invariant($"{setting.Rule.Title} at learning rate {rate:G4}{(setting.Momentum > 0 ? FormattableString.Invariant($" and momentum {setting.Momentum:G4}") : "")}");
        (Severity severity, string message) = ratio switch
        {
            > 1 + Edge => (Severity.Warning, FormattableString.Invariant(
                $"Sharper than the edge of stability: for {name} {numbers}, {ratio:G3} times over. Full-batch steps grow along the sharpest direction until the network has moved to where it is flatter, or diverges: lower the rate below {stability.Limit:G3}, or warm it up.")),
            >= 1 - Edge => (Severity.Info, FormattableString.Invariant(
                $"At the edge of stability: for {name} {numbers}. Training that stays here lets the loss oscillate and keeps the sharpness from rising; a higher rate leads to flatter places.")),
            _ => (Severity.Info, FormattableString.Invariant(
                $"Inside the edge of stability: for {name} {numbers}. Full-batch steps are stable up to {stability.Limit:G3}.")),
        };
        string unsure = stability.Relevant.Converged ? "" : " The sharpness has not converged and may be larger.";
        yield return Finding.Of(
            Id,
            severity,
            message + unsure,
            ("learning_rate", rate),
            ("limit", stability.Limit),
            ("ratio", ratio),
            ("sharpness", stability.Relevant.Value),
            ("critical_sharpness", critical));
    }
}
