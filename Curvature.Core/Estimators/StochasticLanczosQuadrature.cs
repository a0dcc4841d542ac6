using Curvature.Krylov;
using Curvature.Operators;

namespace Curvature.Estimators;

/// <summary>
/// Spectral density by Gauss quadrature: the tridiagonal matrix of a Lanczos run with start vector q has eigenvalues (nodes) and squared first
/// eigenvector components (weights) with <c>q^T f(A) q = sum_i w_i f(node_i)</c>, exact for polynomials of degree <c>2 Steps - 1</c>; for q
/// uniform on the sphere its mean is <c>tr f(A) / P</c> (Bai, Fahey, Golub 1996; Ubaru, Chen, Saad 2017, Fast Estimation of tr(f(A)) via Stochastic
/// Lanczos Quadrature; Ghorbani, Krishnan, Xiao 2019 for neural networks, whose missing reorthogonalisation we do make). Cost: <c>Runs * Steps</c>
/// products, the runs in lock-step, and as many vectors of memory.
/// </summary>
public sealed record StochasticLanczosQuadrature
{
    /// <value>
    /// Lanczos steps a run: the number of nodes. Default 150: on a network's Hessian, most of whose eigenvalues crowd at zero, the cumulative density
    /// is then right to about 1 % from a thousandth of the largest eigenvalue on.
    /// </value>
    public int Steps { get; init; } = 150;

    /// <value>Start vectors. Default 8; the standard errors fall with the square root.</value>
    public int Runs { get; init; } = 8;

    /// <value>
    /// Stop once half the 95 % confidence interval of the cumulative density is at most this, as a fraction of the eigenvalues, wherever it matters (<see cref="SpectralDensity.CumulativeError"/>). The runs are then
    /// made four at a time, of which the first four are made in any case. Null (default): make all runs at once.
    /// </value>
    public double? CumulativeTolerance { get; init; }

    /// <value>Seed of the start vectors; run r depends on (Seed, r) alone.</value>
    public int Seed { get; init; }

    /// <value>
    /// Standard deviation of the smoothing Gaussian in units of the eigenvalues; null (default): <c>range / ((m - 1) sqrt(8 ln 3))</c> with m the nodes of the longest run, at which two
    /// neighbours of an equally spaced set just merge (Lin, Saad, Yang 2016, Approximating Spectral Densities of Large Matrices, section 3.2.2, with their
    /// kappa = 3). It scales with the matrix.
    /// </value>
    public double? KernelWidth { get; init; }

    /// <summary>Runs the quadrature.</summary>
    /// <exception cref="CurvatureException">The operator is not symmetric, or the kernel width is not positive.</exception>
    public SpectralDensity Estimate(LinearOperator a, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (KernelWidth is { } width && !(width > 0 && double.IsFinite(width)))
        {
            throw new CurvatureException($"The kernel width is a positive length in units of the eigenvalues; got {width}.");
        }

        if (CumulativeTolerance is <= 0 or double.NaN)
        {
            throw new CurvatureException($"The tolerance of the cumulative density is a positive fraction of the eigenvalues; got {CumulativeTolerance}.");
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(Runs, 1);
        int chunk = CumulativeTolerance is null ? Runs : 4, total = (int)(Runs * Math.Min(Steps, a.Columns));
        List<QuadratureRule> rules = [];
        SpectralDensity density;
        int products = 0;
        do
        {
            LanczosRuns lanczos = LanczosRuns.From(
                a, Math.Min(chunk, Runs - rules.Count), Steps, Seed, rules.Count, OffsetProgress.Of(progress, products, total), cancellation);
            products += lanczos.Products;
            rules.AddRange(lanczos.Alphas.Zip(lanczos.Betas, QuadratureRule.Gauss));
            density = new SpectralDensity(a.Columns, [.. rules], KernelWidth ?? SpectralDensity.DefaultKernelWidth(rules), products);
        }
        while (rules.Count < Runs && !(density.CumulativeError() <= CumulativeTolerance));

        return density;
    }
}
