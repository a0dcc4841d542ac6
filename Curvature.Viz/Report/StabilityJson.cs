using Curvature.Sharpness;

namespace Curvature.Viz.Report;

/// <summary>The machine-readable form of stability limits and of eigenvalues by batch size.</summary>
public static class StabilityJson
{
    /// <summary>
    /// The setting (<c>optimizer</c>, <c>learning_rate</c>, <c>momentum</c>, <c>batch_size</c>), <c>sharpness</c> (and <c>preconditioned_sharpness</c> of an adaptive rule) as eigenvalues, <c>limit</c> and <c>ratio</c> =
    /// learning rate / limit, <c>verdict</c> <c>inside</c>, <c>edge</c> or <c>beyond</c>, all <c>limits</c>, and with a batch size <c>batch_sharpness</c>, <c>trace</c> and <c>noise</c> as estimates.
    /// </summary>
    public static IReadOnlyDictionary<string, object?> Of(StabilitySummary stability)
    {
        ArgumentNullException.ThrowIfNull(stability);
        return new Dictionary<string, object?>
        {
            ["optimizer"] = stability.Setting.Rule.Name,
            ["learning_rate"] = stability.Setting.LearningRate,
            ["momentum"] = stability.Setting.Momentum,
            ["batch_size"] = stability.Setting.BatchSize,
            ["sharpness"] = stability.Sharpness,
            ["preconditioned_sharpness"] = stability.PreconditionedSharpness,
            ["limit"] = Finite(stability.Limit),
            ["ratio"] = stability.Ratio,
            ["verdict"] = stability.Ratio switch { null => null, > 1.1 => "beyond", >= 0.9 => "edge", < 0.9 => "inside", _ => null },
            ["limits"] = stability.Limits.Select(limit => new Dictionary<string, object?>
            {
                ["rule"] = limit.Rule,
                ["condition"] = limit.Condition,
                ["learning_rate"] = Finite(limit.Rate),
                ["standard_error"] = limit.StandardError,
            }),
            ["batch_sharpness"] = stability.BatchSharpness?.MeanOfRatios,
            ["trace"] = stability.Trace,
            ["noise"] = Noise(stability.Noise),
        };
    }

    /// <summary>
    /// <c>samples</c>, the full Hessian's <c>largest</c> and <c>smallest</c>, the <c>noise</c>, the <c>critical_batch</c> of the law with the noise along the sharpest direction, and for each size what was
    /// <c>measured</c> (estimates over the batches drawn) and what the laws predict (<c>predicted_</c>: with the noise along the sharpest direction), with the rates that follow.
    /// </summary>
    public static IReadOnlyDictionary<string, object?> Of(BatchSizeMeasurement found)
    {
        ArgumentNullException.ThrowIfNull(found);
        BatchSizeLaw law = found.Directional, isotropic = found.Isotropic;
        return new Dictionary<string, object?>
        {
            ["samples"] = found.Samples,
            ["largest"] = found.Largest,
            ["smallest"] = found.Smallest,
            ["noise"] = Noise(found.Noise),
            ["critical_batch"] = law.CriticalBatch,
            ["holds_from"] = found.HoldsFrom(law),
            ["products"] = found.Products,
            ["sizes"] = found.Measured.Select(size => new Dictionary<string, object?>
            {
                ["batch_size"] = size.BatchSize,
                ["largest"] = size.Largest,
                ["smallest"] = size.Smallest,
                ["predicted_largest"] = law.LargestAt(size.BatchSize),
                ["isotropic_largest"] = isotropic.LargestAt(size.BatchSize),
                ["isotropic_smallest"] = isotropic.SmallestAt(size.BatchSize),
                ["maximal_rate"] = Finite(2 / size.Largest.Value),
                ["predicted_maximal_rate"] = Finite(law.MaximalRate(size.BatchSize)),
                ["damping"] = Math.Max(0, -size.Smallest.Value),
            }),
        };
    }

    private static Dictionary<string, object?>? Noise(HessianNoise? noise) => noise is null ? null : new()
    {
        ["isotropic"] = noise.Isotropic,
        ["transverse"] = noise.Transverse,
        ["along"] = noise.Along,
    };

    /// <summary>Without a limit there is none to write, and nothing is amiss.</summary>
    private static double? Finite(double rate) => double.IsInfinity(rate) ? null : rate;
}
