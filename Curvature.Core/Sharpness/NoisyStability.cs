namespace Curvature.Sharpness;

/// <summary>A learning rate against the limits that the noise of mini-batches sets: conditions without which the mean square of the distance to a minimum grows (<see cref="SgdThreshold"/>), and the batch sharpness.</summary>
public sealed class NoisyStability : IFindingRule
{
    private const double Edge = 0.1;

    /// <inheritdoc/>
    public string Id => "noisy-stability";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        if (summary.Stability is not { Setting.BatchSize: { } batch, NoiseLimit: { } limit } stability)
        {
            yield break;
        }

        string numbers = FormattableString.Invariant($"{limit.Rate:G3}; with full batches it is {stability.Limit:G3}");
        string rate = FormattableString.Invariant($"the learning rate {stability.Setting.LearningRate:G4}");
        double? ratio = stability.Setting.LearningRate / limit.Rate;
        (Severity severity, string message) = ratio switch
        {
            null => (Severity.Info, FormattableString.Invariant($"With batches of {batch} the noise sets the largest stable rate to {numbers}.")),
            > 1 + Edge => (Severity.Warning, FormattableString.Invariant($"With batches of {batch} {rate} is beyond the limit that the noise sets, {numbers}. Lower the rate or enlarge the batch.")),
            >= 1 - Edge => (Severity.Info, FormattableString.Invariant($"With batches of {batch} {rate} is at the limit that the noise sets, {numbers}.")),
            _ => (Severity.Info, FormattableString.Invariant($"With batches of {batch} {rate} is inside the limit that the noise sets, {numbers}.")),
        };
        yield return Finding.Of(Id, severity, message, ("limit", limit.Rate), ("condition", limit.Condition), ("ratio", ratio), ("batch_size", batch));
    }
}
