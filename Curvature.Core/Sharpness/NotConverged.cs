using System.Globalization;
using Curvature.Krylov;

namespace Curvature.Sharpness;

/// <summary>Eigenvalues whose residual did not reach the asked tolerance within the products allowed, or a list that may lack some.</summary>
public sealed class NotConverged : IFindingRule
{
    // Between the eps of float64 and that of float32.
    private const double Single = 1e-10;

    /// <inheritdoc/>
    public string Id => "not-converged";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        Eigenvalue[] open = [.. summary.Eigenvalues.Where(eigenvalue => !eigenvalue.Converged)];
        if (open.Length > 0)
        {
            double worst = open.Max(eigenvalue => eigenvalue.Residual);
            yield return Finding.Of(
                Id,
                Severity.Warning,
                FormattableString.Invariant(
                    $"{open.Length} of {summary.Eigenvalues.Count} eigenvalues did not converge; each is known to within its residual, at worst {(double.IsFinite(worst) ? worst.ToString("G3", CultureInfo.InvariantCulture) : "one that is not finite")}. {Remedy(summary, worst)}"),
                ("eigenvalues", open.Length),
                ("largest_residual", worst));
        }
        else if (!summary.EigenvaluesAreComplete)
        {
            yield return Finding.Of(
                Id,
                Severity.Warning,
                "The products ran out before the search could confirm that no eigenvalue, or copy of a multiple one, is missing. Allow more products.",
                ("eigenvalues", 0));
        }

        if (summary.BatchSizes is { } measured && Open(measured) is { Length: > 0 } sizes)
        {
            yield return Finding.Of(
                Id,
                Severity.Warning,
                $"Eigenvalues of batches of {string.Join(", ", sizes)} did not all converge: they are too small in magnitude, beyond their standard errors. Allow more products (BatchSizeStudy.MaxProducts), or ask for a looser tolerance.",
                ("batch_sizes", sizes));
        }
    }

    /// <summary>Batch sizes, that of all samples among them, with an eigenvalue that did not converge.</summary>
    private static long[] Open(BatchSizeMeasurement measured)
    {
        IEnumerable<long> sizes = measured.Measured.Where(size => !size.Converged).Select(size => (long)size.BatchSize);
        return [.. sizes.Concat(measured.Largest.Converged && measured.Smallest.Converged ? [] : [measured.Samples]).Distinct()];
    }

    private static string Remedy(SharpnessSummary summary, double worst) =>
        worst > summary.EigenvalueRounding ? "Allow more products, or ask for a looser tolerance."
        : summary.EigenvalueRounding > Single * summary.Eigenvalues.Max(eigenvalue => Math.Abs(eigenvalue.Value))
            ? "What is left is the rounding of float32: measure in float64 (--dtype float64)."
            : "What is left is rounding: ask for a looser tolerance.";
}
