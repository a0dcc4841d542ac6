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

    /// <value>Seed of the start vectors.</value>
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

        LanczosRuns lanczos = LanczosRuns.From(a, Runs, Steps, Seed, 0, progress, cancellation);
        QuadratureRule[] rules = [.. lanczos.Alphas.Zip(lanczos.Betas, QuadratureRule.Gauss)];
        return new SpectralDensity(a.Columns, rules, KernelWidth ?? SpectralDensity.DefaultKernelWidth(rules), lanczos.Products);
    }
}
