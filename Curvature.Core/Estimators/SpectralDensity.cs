namespace Curvature.Estimators;

/// <summary>
/// Spectral density of a symmetric matrix, <c>phi(x) = (1/P) sum_i delta(x - lambda_i)</c>, as the average of the quadrature rules of
/// several random start vectors. Everything here is per eigenvalue: densities integrate to 1, masses lie in [0, 1].
/// Standard errors are over the start vectors; the quadrature's own resolution is not in them. Intervals follow the law of quadratic forms: the share of a single eigenvalue, which is skewed,
/// is covered by 8 runs as often as stated (95 to 98 %), and a share of which no run saw anything still has an upper end, about one eigenvalue with 8 runs.
/// </summary>
public sealed class SpectralDensity
{
    /// <summary>What counts as zero, as a fraction of the largest magnitude: ten times the least from which on the quadrature tells a network's eigenvalues from the pile at zero.</summary>
    public const double NearZeroFraction = 0.01;

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
    /// <c>range / ((m - 1) sqrt(8 ln 3))</c> with m the nodes of the longest run, at which two neighbours of an equally spaced set just merge (Lin, Saad,
    /// Yang 2016, Approximating Spectral Densities of Large Matrices, section 3.2.2, with their kappa = 3).
    /// </summary>
    internal static double DefaultKernelWidth(IReadOnlyList<QuadratureRule> rules)
    {
        double range = rules.Max(r => r.Nodes[^1]) - rules.Min(r => r.Nodes[0]);
        return range / (Math.Max(1, rules.Max(r => r.Nodes.Length) - 1) * Math.Sqrt(8 * Math.Log(3)));
    }

    /// <summary>
    /// Smoothed density at <paramref name="x"/>, <c>(1/R) sum_r sum_i w_ri N(x; node_ri, sigma^2)</c>, per unit of eigenvalue;
    /// 0 everywhere but at the nodes when the kernel has no width (a matrix with a single eigenvalue).
    /// </summary>
    public double Density(double x) =>
        KernelWidth == 0 ? (Runs.Any(run => run.Nodes.Contains(x)) ? double.PositiveInfinity : 0) : Runs.Average(run => run.Integrate(Kernel(x)));

    /// <summary><see cref="Density"/> with its standard error over the runs.</summary>
    /// <exception cref="CurvatureException">The kernel has no width.</exception>
    public Estimate DensityAt(double x) => KernelWidth > 0
        ? QuadratureSpread.Mean(Dimension, Runs, Kernel(x), 1, Products)
        : throw new CurvatureException("A matrix with a single eigenvalue has no smoothed density; ask for a kernel width, or for the cumulative density.");

    /// <summary>The smoothed density along some abscissas, with its confidence band over the runs; densities are not below 0.</summary>
    /// <param name="x">Abscissas, for example <see cref="Grid"/>.</param>
    /// <param name="level">Coverage of each point on its own.</param>
    /// <exception cref="CurvatureException">The kernel has no width, or there is a single run.</exception>
    public ConfidenceBand DensityBand(IReadOnlyList<double> x, double level = 0.95) => Band(x, level, DensityAt, double.PositiveInfinity);

    /// <summary>The cumulative density along some abscissas, with its confidence band over the runs, within [0, 1].</summary>
    /// <param name="x">Abscissas.</param>
    /// <param name="level">Coverage of each point on its own.</param>
    /// <exception cref="CurvatureException">There is a single run.</exception>
    public ConfidenceBand CumulativeBand(IReadOnlyList<double> x, double level = 0.95) => Band(x, level, Cumulative, 1);

    /// <summary>
    /// Half the width of the widest confidence interval of the cumulative density, a fraction of the eigenvalues, over the nodes of the first run outside the band of <see cref="NearZero"/> and at the band's ends: within it
    /// each run has a node for the pile at zero, a little to the left or to the right. Infinite for a single run.
    /// </summary>
    /// <param name="level">Coverage of each point on its own.</param>
    public double CumulativeError(double level = 0.95) =>
        Runs[0].Nodes.Where(node => Math.Abs(node) > NearZero).Append(Math.BitDecrement(-NearZero)).Append(NearZero).Max(x => Cumulative(x).HalfWidth(level));

    /// <summary>Half-width of the band around zero that counts as zero, in units of the eigenvalues: a <see cref="NearZeroFraction"/> of the largest magnitude.</summary>
    public double NearZero => NearZeroFraction * Math.Max(Math.Abs(Minimum), Math.Abs(Maximum));

    /// <summary>Fraction of eigenvalues below <c>-beyond</c>, with its standard error; null: <see cref="NearZero"/>, as in every report.</summary>
    public Estimate NegativeMass(double? beyond = null) => Cumulative(Math.BitDecrement(-(beyond ?? NearZero))); // masses are of (low, high]

    /// <summary><c>tr f(A) = P sum_i w_i f(node_i)</c>, with its standard error over the runs; any number of functions from one set of products.</summary>
    public Estimate Trace(Func<double, double> f) => QuadratureSpread.Mean(Dimension, Runs, f, Dimension, Products);

    /// <summary>
    /// Density of <c>log10(|lambda| + epsilon)</c>, which spreads the pile at zero out (Papyan 2019, Measurements of Three-Level Hierarchical Structure in the Outliers
    /// in the Spectrum of Deepnet Hessians). Its nodes, kernel width, masses and bands are in decades.
    /// </summary>
    /// <param name="epsilon">Positive; null: 1e-5 of the largest magnitude, so that it scales with the matrix.</param>
    /// <param name="kernelWidth">In decades; null: as <see cref="StochasticLanczosQuadrature.KernelWidth"/> for the new nodes.</param>
    /// <exception cref="CurvatureException">A width or epsilon that is not positive, or the zero matrix without an epsilon.</exception>
    public SpectralDensity Logarithmic(double? epsilon = null, double? kernelWidth = null)
    {
        double floor = epsilon ?? (1e-5 * Math.Max(Math.Abs(Minimum), Math.Abs(Maximum)));
        if (!(floor > 0) || kernelWidth is <= 0 or double.NaN)
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"A logarithmic density needs a positive epsilon and kernel width; got {floor} and {kernelWidth}. The zero matrix needs an epsilon of its own."));
        }

        QuadratureRule[] runs = [.. Runs.Select(run =>
        {
            double[] nodes = [.. run.Nodes.Select(x => Math.Log10(Math.Abs(x) + floor))], weights = [.. run.Weights];
            Array.Sort(nodes, weights);
            return new QuadratureRule(nodes, weights);
        })];
        return new SpectralDensity(Dimension, runs, kernelWidth ?? DefaultKernelWidth(runs), Products);
    }

    /// <summary>Fraction of eigenvalues at or below <paramref name="x"/>, unsmoothed, with its standard error over the runs.</summary>
    public Estimate Cumulative(double x) => Mass(double.NegativeInfinity, x);

    /// <summary>Fraction of eigenvalues in <c>(low, high]</c>, unsmoothed, with its standard error over the runs.</summary>
    public Estimate Mass(double low, double high) => QuadratureSpread.Share(Dimension, Runs, low, high, Products);

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

    private Func<double, double> Kernel(double x)
    {
        double height = 1 / (KernelWidth * Math.Sqrt(2 * Math.PI));
        return node => height * Math.Exp(-0.5 * Math.Pow((x - node) / KernelWidth, 2));
    }

    private ConfidenceBand Band(IReadOnlyList<double> x, double level, Func<double, Estimate> at, double most)
    {
        if (Runs.Count < 2)
        {
            throw new CurvatureException("A confidence band needs at least 2 runs, which show how far start vectors differ; this density has 1.");
        }

        Estimate[] estimates = [.. x.Select(at)];
        (double Low, double High)[] intervals = [.. estimates.Select(e => e.ConfidenceInterval(level))];
        return new ConfidenceBand(
            [.. x], [.. estimates.Select(e => e.Value)],
            [.. intervals.Select(i => Math.Max(0, i.Low))], [.. intervals.Select(i => Math.Min(most, i.High))], level);
    }
}
