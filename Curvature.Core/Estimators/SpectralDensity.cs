namespace Curvature.Estimators;

/// <summary>
/// Spectral density of a symmetric matrix, <c>phi(x) = (1/P) sum_i delta(x - lambda_i)</c>, as the average of the quadrature rules of
/// several random start vectors. Everything here is per eigenvalue: densities integrate to 1, masses lie in [0, 1].
/// Standard errors are over the start vectors; the quadrature's own resolution is not in them.
/// </summary>
public sealed class SpectralDensity
{
    /// <param name="dimension">Size P of the matrix.</param>
    /// <param name="runs">One rule per start vector, at least one.</param>
    /// <param name="kernelWidth">Standard deviation of the Gaussian that smooths <see cref="Density"/>, in units of the eigenvalues.</param>
    /// <param name="products">Matrix-vector products spent.</param>
    public SpectralDensity(long dimension, IReadOnlyList<QuadratureRule> runs, double kernelWidth, int products)
    {
        ArgumentOutOfRangeException.ThrowIfZero(runs.Count);
        Dimension = dimension;
        Runs = runs;
        KernelWidth = kernelWidth;
        Products = products;
        Minimum = runs.Min(run => run.Nodes[0]);
        Maximum = runs.Max(run => run.Nodes[^1]);
    }

    /// <summary>Size P of the matrix: multiply a mass by it for a number of eigenvalues.</summary>
    public long Dimension { get; }

    /// <summary>One quadrature rule per start vector.</summary>
    public IReadOnlyList<QuadratureRule> Runs { get; }

    /// <summary>Standard deviation of the smoothing Gaussian, in units of the eigenvalues.</summary>
    public double KernelWidth { get; }

    /// <summary>Matrix-vector products spent.</summary>
    public int Products { get; }

    /// <summary>Smallest node of all runs: an upper bound of the smallest eigenvalue.</summary>
    public double Minimum { get; }

    /// <summary>Largest node of all runs: a lower bound of the largest eigenvalue.</summary>
    public double Maximum { get; }

    /// <summary>
    /// Smoothed density at <paramref name="x"/>, <c>(1/R) sum_r sum_i w_ri N(x; node_ri, sigma^2)</c>, per unit of eigenvalue;
    /// 0 everywhere but at the nodes when the kernel has no width (a matrix with a single eigenvalue).
    /// </summary>
    public double Density(double x)
    {
        if (KernelWidth == 0)
        {
            return Runs.Any(run => run.Nodes.Contains(x)) ? double.PositiveInfinity : 0;
        }

        double height = 1 / (KernelWidth * Math.Sqrt(2 * Math.PI));
        double Kernel(double node) => height * Math.Exp(-0.5 * Math.Pow((x - node) / KernelWidth, 2));
        return Runs.Average(run => run.Integrate(Kernel));
    }

    /// <summary>Fraction of eigenvalues at or below <paramref name="x"/>, unsmoothed, with its standard error over the runs.</summary>
    public Estimate Cumulative(double x) => Mass(double.NegativeInfinity, x);

    /// <summary>Fraction of eigenvalues in <c>(low, high]</c>, unsmoothed, with its standard error over the runs.</summary>
    public Estimate Mass(double low, double high) =>
        Estimate.FromSamples([.. Runs.Select(run => run.Integrate(node => node > low && node <= high ? 1 : 0))], Products);

    /// <summary>Equally spaced abscissas that cover all nodes with a margin on both sides.</summary>
    /// <param name="points">Number of abscissas, at least 2.</param>
    /// <param name="margin">Margin in units of the range (of <see cref="KernelWidth"/> where that is wider: 4 of them).</param>
    public double[] Grid(int points, double margin = 0.05)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(points, 2);
        double padding = Math.Max(margin * (Maximum - Minimum), 4 * KernelWidth);
        if (padding == 0)
        {
            padding = Maximum == 0 ? 1 : 0.05 * Math.Abs(Maximum);
        }

        double step = (Maximum - Minimum + (2 * padding)) / (points - 1);
        return [.. Enumerable.Range(0, points).Select(i => Minimum - padding + (i * step))];
    }
}
