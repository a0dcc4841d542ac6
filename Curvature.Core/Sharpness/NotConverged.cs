using System.Globalization;
using Curvature.Krylov;

namespace Curvature.Sharpness;

/// <summary>Eigenvalues whose residual did not reach the asked tolerance within the products allowed, or a list that may lack some.</summary>
public sealed class NotConverged : IFindingRule
{
    // Between the eps of float64 and that of float32.
    private const double Single = 1e-10;

    // Of eigenvalues that did converge.
    private const string Unconfirmed = "not-confirmed";

    /// <inheritdoc/>
    public string Id => "not-converged";

    /// <inheritdoc/>
    public IEnumerable<Finding> Examine(SharpnessSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        Eigenvalue[] open = [.. summary.Eigenvalues.Where(eigenvalue => !eigenvalue.Converged)];
        int found = summary.Eigenvalues.Count;
        double worst = open.Length == 0 ? 0 : open.Max(eigenvalue => eigenvalue.Residual);
        string within = FormattableString.Invariant($"each is known to within its residual, at worst {(double.IsFinite(worst) ? worst.ToString("G3", CultureInfo.InvariantCulture) : "one that is not finite")}");
        if (found > 0 && summary.EigenvaluesWanted is { } wanted && wanted > found)
        {
            yield return Finding.Of(
                Id,
                Severity.Warning,
                FormattableString.Invariant(
                    $"{wanted} eigenvalues were asked for; the products sufficed for {found}, of which {found - open.Length} converged{(open.Length > 0 ? "; of the others " + within : "")}. Allow more products (--budget for the command), ask for fewer eigenvalues or for a looser tolerance."),
                ("wanted", wanted),
                ("found", found),
                ("eigenvalues", open.Length),
                ("largest_residual", worst));
        }
        else if (open.Length > 0)
        {
            yield return Finding.Of(
                Id,
                Severity.Warning,
                FormattableString.Invariant(
                    $"{open.Length} of {found} eigenvalues did not converge; {within}. {Remedy(summary, worst)}"),
                ("eigenvalues", open.Length),
                ("largest_residual", worst));
        }
        else if (!summary.EigenvaluesAreComplete)
        {
            yield return Finding.Of(
                Unconfirmed,
                Severity.Warning,
                "Each eigenvalue found has converged. That none, and no copy of a multiple one, is missing among them was not confirmed: the products ran out first, or the eigensolver does not look (power iteration). 'lanczos' does, given the products.",
                ("eigenvalues", found));
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
