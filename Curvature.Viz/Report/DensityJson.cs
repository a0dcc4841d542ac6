using Curvature.Estimators;

namespace Curvature.Viz.Report;

/// <summary>The machine-readable form of a spectral density: the quadrature as it is, and curves on a grid for plotting.</summary>
public static class DensityJson
{
    private const int GridPoints = 512;

    /// <summary>
    /// <c>runs</c> holds each start vector's <c>nodes</c> and <c>weights</c> (they sum to 1 in each run; average over the runs). On <c>grid</c>
    /// stand the smoothed <c>density</c> per unit of eigenvalue, the unsmoothed <c>cumulative</c> fraction of eigenvalues at or below, its
    /// standard error over the runs, and from two runs on the ends of both curves' 95 % intervals, <c>density_low</c>, <c>density_high</c>, <c>cumulative_low</c> and <c>cumulative_high</c>, which are not
    /// symmetric (those of the density are left out where the kernel has no width). <c>near_zero</c> is the half-width of the band that <c>mass_near_zero</c> counts;
    /// <c>negative_mass</c> is the fraction below it.
    /// </summary>
    public static IReadOnlyDictionary<string, object?> Of(SpectralDensity density)
    {
        DensityMass mass = DensityMass.Of(density);
        double[] grid = density.Grid(GridPoints);
        Estimate[] cumulative = [.. grid.Select(density.Cumulative)];
        Dictionary<string, object?> members = new()
        {
            ["dimension"] = density.Dimension,
            ["minimum"] = density.Minimum,
            ["maximum"] = density.Maximum,
            ["kernel_width"] = density.KernelWidth,
            ["products"] = density.Products,
            ["near_zero"] = mass.Band,
            ["mass_near_zero"] = mass.NearZero,
            ["negative_mass"] = mass.Negative,
            ["runs"] = density.Runs.Select(rule => new Dictionary<string, object?> { ["nodes"] = rule.Nodes, ["weights"] = rule.Weights }),
            ["grid"] = grid,
            ["density"] = grid.Select(density.Density),
            ["cumulative"] = cumulative.Select(estimate => estimate.Value),
            ["cumulative_standard_error"] = cumulative.Select(estimate => estimate.StandardError),
        };
        if (density.Runs.Count > 1)
        {
            Add("cumulative", density.CumulativeBand(grid));
            if (density.KernelWidth > 0)
            {
                Add("density", density.DensityBand(grid));
            }
        }

        return members;

        void Add(string curve, ConfidenceBand band)
        {
            members.Add($"{curve}_low", band.Low);
            members.Add($"{curve}_high", band.High);
        }
    }
}
