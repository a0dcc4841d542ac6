using Curvature.Krylov;
using Curvature.Operators;
using MathNet.Numerics.LinearAlgebra;

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

        LanczosRuns lanczos = LanczosRuns.From(a, Runs, Steps, Seed, progress, cancellation);
        QuadratureRule[] rules = [.. lanczos.Alphas.Zip(lanczos.Betas, Rule)];
        double range = rules.Max(r => r.Nodes[^1]) - rules.Min(r => r.Nodes[0]);
        int steps = rules.Max(r => r.Nodes.Length);
        double sigma = KernelWidth ?? (range / (Math.Max(1, steps - 1) * Math.Sqrt(8 * Math.Log(3))));
        return new SpectralDensity(a.Columns, rules, sigma, lanczos.Products);
    }

    private static QuadratureRule Rule(double[] alpha, double[] beta)
    {
        int m = alpha.Length;
        Matrix<double> T = Matrix<double>.Build.Dense(m, m, (i, j) => i == j ? alpha[i] : Math.Abs(i - j) == 1 ? beta[Math.Min(i, j)] : 0);
        MathNet.Numerics.LinearAlgebra.Factorization.Evd<double> evd = T.Evd(Symmetricity.Symmetric);
        (double Node, double Weight)[] pairs =
            [.. Enumerable.Range(0, m).Select(i => (evd.EigenValues[i].Real, Math.Pow(evd.EigenVectors[0, i], 2))).OrderBy(p => p.Item1)];
        double total = pairs.Sum(p => p.Weight);
        return new QuadratureRule([.. pairs.Select(p => p.Node)], [.. pairs.Select(p => p.Weight / total)]);
    }
}
