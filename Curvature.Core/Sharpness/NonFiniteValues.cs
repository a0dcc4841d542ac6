namespace Curvature.Sharpness;

/// <summary>A result is NaN or infinite: it is written as <c>null</c> and must not be used.</summary>
public sealed class NonFiniteValues : IFindingRule
{
    /// <inheritdoc/>
    public string Id => "non-finite";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        string[] names = [.. Quantities(summary).Where(quantity => !double.IsFinite(quantity.Value)).Select(quantity => quantity.Name)];
        if (names.Length > 0)
        {
            yield return Finding.Of(
                Id,
                Severity.Error,
                $"Not finite and written as null: {string.Join(", ", names)}. Look for overflow in the loss, or measure in float64.",
                ("quantities", names));
        }
    }

    private static IEnumerable<(string Name, double Value)> Quantities(SharpnessSummary summary)
    {
        if (summary.Loss is double loss)
        {
            yield return ("loss", loss);
        }

        if (summary.GradientNorm is double norm)
        {
            yield return ("gradient norm", norm);
        }

        if (summary.Trace is { } trace)
        {
            yield return ("trace", trace.Total.Value);
            if (trace.Total.Samples != 1) // one sample has no standard error; ImpreciseTrace says so
            {
                yield return ("standard error of the trace", trace.Total.StandardError);
            }

            foreach (var layer in trace.Layers)
            {
                yield return ($"trace of {layer.Name}", layer.Trace.Value);
            }
        }

        for (int i = 0; i < summary.Eigenvalues.Count; i++)
        {
            yield return ($"eigenvalue {i + 1}", summary.Eigenvalues[i].Value);
            yield return ($"residual of eigenvalue {i + 1}", summary.Eigenvalues[i].Residual);
        }

        if (summary.Density is { } density)
        {
            yield return ("smallest node of the density", density.Minimum);
            yield return ("largest node of the density", density.Maximum);
        }

        if (summary.Stability is { } stability)
        {
            yield return ("sharpness", stability.Sharpness.Value);
            yield return ("sharpness seen by the rule", stability.Relevant.Value);
            yield return ("batch sharpness", stability.BatchSharpness?.MeanOfRatios.Value ?? 0);
            yield return ("noise between samples", stability.Noise?.Isotropic.Value ?? 0);
        }

        if (summary.BatchSizes is { } sizes)
        {
            yield return ("noise between samples", sizes.Noise.Isotropic.Value);
            foreach (BatchEigenvalues size in sizes.Measured)
            {
                yield return ($"largest eigenvalue of batches of {size.BatchSize}", size.Largest.Value);
                yield return ($"smallest eigenvalue of batches of {size.BatchSize}", size.Smallest.Value);
            }
        }
    }
}
