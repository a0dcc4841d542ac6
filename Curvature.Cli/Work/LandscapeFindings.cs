using Curvature.Cli.Output;
using Curvature.Krylov;
using Curvature.Sharpness;

namespace Curvature.Cli.Work;

/// <summary>What a reader of landscape slices should know.</summary>
internal static class LandscapeFindings
{
    // Above this share of the loss at the ends a barrier keeps two networks apart; below, they lie in one valley.
    private const double Apart = 0.05;

    // Positions come out of a division.
    private const double AtEnd = 1e-12;

    // Losses that differ by less than this share differ by rounding.
    private const double Rounding = 1e-5;

    public static IEnumerable<Finding> Examine(LandscapeSummary landscape)
    {
        int gaps = landscape.Curves.Sum(curve => curve.Curve.Gaps) + (landscape.Surface?.Gaps ?? 0);
        if (gaps > 0)
        {
            yield return Finding.Of(
                "non-finite",
                Severity.Warning,
                $"The loss is NaN or infinite at {Format.Count(gaps, "point")}, which are gaps in the figures and null in the numbers. A smaller --range, or --dtype float64, may have none.",
                ("points", gaps));
        }

        Eigenvalue[] open = [.. landscape.Eigenvalues.Where(eigenvalue => !eigenvalue.Converged)];
        if (open.Length > 0)
        {
            double worst = open.Max(eigenvalue => eigenvalue.Residual);
            yield return Finding.Of(
                "not-converged",
                Severity.Warning,
                FormattableString.Invariant($"{open.Length} of {landscape.Eigenvalues.Count} eigenvectors that the lines follow did not converge within {landscape.Products} products (residuals up to {worst:G3}): their lines are sharp ones, not the sharpest."),
                ("eigenvalues", open.Length),
                ("largest_residual", worst));
        }

        foreach ((string name, LandscapeCurve curve) in landscape.Curves)
        {
            if (Barrier(name, curve) is { } barrier)
            {
                yield return barrier;
            }
            else if (curve.Quadratic is { } model && curve.Losses.Where(double.IsFinite).DefaultIfEmpty(model.Loss).Min() is var lowest && lowest < model.Loss - (Rounding * Math.Abs(model.Loss)))
            {
                yield return Finding.Of(
                    "lower-nearby",
                    Severity.Info,
                    FormattableString.Invariant($"Along the {name} the loss falls to {lowest:G4}, below {model.Loss:G4} at the checkpoint: it is no minimum along that line."),
                    ("direction", name),
                    ("lowest", lowest),
                    ("loss", model.Loss));
            }
        }
    }

    private static Finding? Barrier(string name, LandscapeCurve curve)
    {
        if (curve.Quadratic is not null)
        {
            return null;
        }

        if (double.IsNaN(curve.Barrier))
        {
            return curve.Gaps > 0 ? null : Finding.Of(
                "no-barrier",
                Severity.Info,
                $"On the straight line {name} no points are at both of its ends, 0 and 1, so that it shows no barrier. A --range of 1, or of 2 with --steps 21, has points there.");
        }

        double scale = curve.Positions.Zip(curve.Losses).Where(p => Math.Min(Math.Abs(p.First), Math.Abs(p.First - 1)) < AtEnd).Select(p => Math.Abs(p.Second)).DefaultIfEmpty(0).Max();
        bool apart = curve.Barrier > Apart * scale;
        return Finding.Of(
            "barrier",
            apart ? Severity.Warning : Severity.Info,
            FormattableString.Invariant($"On the straight line {name} the loss rises by {curve.Barrier:G4} above the line between its ends: ")
            + (apart ? "the two lie in different valleys, and their mean is no good network." : "the two lie in one valley."),
            ("barrier", curve.Barrier));
    }
}
