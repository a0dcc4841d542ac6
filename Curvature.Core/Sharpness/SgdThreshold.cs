using Curvature.Krylov;
using Curvature.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// Up to which learning rate stochastic gradient descent, <c>theta = theta - eta g_B</c> with a batch of B of the n samples, keeps <c>E|theta - theta*|^2</c> bounded around a minimum:
/// exactly, and by conditions that say which part of the noise it is. Linearised there, a step multiplies the distance by <c>I - eta H_B</c>, and its second moment M goes to
/// <c>M - 2 eta C M + eta^2 D M</c> with <c>C M = (H M + M H) / 2</c>, <c>D M = (1 - p) H M H + (p / n) sum_i H_i M H_i</c>, <c>p = (n - B) / (B (n - 1))</c> for batches drawn without replacement and
/// <c>1 / B</c> with. It stays bounded up to <c>eta* = 2 / lambda_max(C^+ D)</c> (Mulayoff and Michaeli 2024, Exact Mean Square Linear Stability Analysis for SGD; here by Lanczos on
/// <c>C^{-1/2} D C^{-1/2}</c>, which no matrix of <c>r^2</c> rows is built for). Where the samples' gradients do not vanish at the minimum, the same limit separates a finite variance from a growing one.
/// <para>At B = n without replacement it is gradient descent's <c>2 / lambda_max(H)</c>; at B = 1, with samples of rank one and equal trace, exactly <c>2 / tr H</c>.</para>
/// </summary>
/// <param name="BatchSize">B.</param>
/// <param name="Eigenvalue"><c>lambda_max(C^+ D)</c> with its residual: what lambda_max(H) is to gradient descent. A Ritz value: never too large.</param>
/// <param name="FullBatch"><c>2 / lambda_max(H)</c>: necessary, gradient descent's limit.</param>
/// <param name="Trace"><c>2 tr H / ((1 - p) |H|_F^2 + p mean_i |H_i|_F^2)</c>: necessary (M = I); of samples of rank one and equal trace, at B = 1, it is <c>2 / tr H</c>.</param>
/// <param name="Frobenius">
/// <c>1 / (sqrt(p alpha) |H|_F)</c> with <see cref="Alignment"/> alpha: necessary, since the noise alone would make the loss grow (Wu, Wang and Su 2022, The Alignment Property of SGD Noise and
/// How It Helps Select Flat Minima; <c>|H|_F &lt;= c sqrt(B) / eta</c>). Infinite without noise.
/// </param>
/// <param name="Alignment">alpha, the least of <c>tr(S H) / (tr(H M) |H|_F^2)</c> over distances M, S the covariance of the sample gradients that M makes; at least 1 for Gaussian inputs.</param>
/// <param name="Sufficient"><c>2 / ((1 - p) lambda_max(H) + p max_i lambda_max(H_i))</c>: below it the second moment is bounded in any case.</param>
public sealed record SgdThreshold(
    int BatchSize, Eigenvalue Eigenvalue, double FullBatch, double Trace, double Frobenius, double Alignment, double Sufficient)
{
    /// <summary>eta*, <c>2 / lambda_max(C^+ D)</c>.</summary>
    public double Rate => 2 / Eigenvalue.Value;

    /// <summary>Finds the threshold. Some twenty to a hundred products of <c>4 n c r^2</c> multiplications, r the rank of H.</summary>
    /// <param name="samples">H_i at the minimum; stay the caller's.</param>
    /// <param name="batchSize">B, at least 1; without replacement at most n.</param>
    /// <param name="withReplacement">Whether a batch may hold a sample twice.</param>
    /// <param name="tolerance">Residual of the eigenvalue, relative to it.</param>
    /// <param name="progress">Told after each product.</param>
    /// <param name="cancellation">Ends between two products.</param>
    /// <exception cref="CurvatureException">A batch size out of range, or a distance's second moment that does not fit into memory.</exception>
    public static SgdThreshold Of(
        SampleCurvatures samples,
        int batchSize,
        bool withReplacement = false,
        double tolerance = 1e-6,
        IProgress<ProductProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(samples);
        long n = samples.Samples;
        if (batchSize < 1 || (!withReplacement && batchSize > n))
        {
            throw new CurvatureException($"A batch has at least one sample{(withReplacement ? "" : $", and drawn without replacement at most all {n}")}; got {batchSize}.");
        }

        double p = withReplacement ? 1.0 / batchSize : n == 1 ? 0 : (n - batchSize) / (batchSize * (n - 1.0));
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        using SecondMomentOperator moments = new(samples, p);
        using Eigenpairs top = new LanczosEigensolver { Count = 1, Which = Spectrum.Largest, Tolerance = tolerance }.Solve(moments, progress, cancellation);

        double sharpness = samples.Spectrum[0], trace = samples.Spectrum.Sum(), square = samples.Spectrum.Sum(value => value * value);
        Tensor grams = samples.Rows.bmm(samples.Rows.transpose(1, 2));              // R_i R_i^T has H_i's eigenvalues
        double apart = grams.square().sum().ToDouble() / n, sharpest = linalg.eigvalsh(grams).max().ToDouble();
        double alignment = Math.Max(0, LeastNoise(samples)) / square;
        return new SgdThreshold(
            batchSize,
            top.Values[0],
            2 / sharpness,
            2 * trace / (((1 - p) * square) + (p * apart)),
            1 / Math.Sqrt(p * alignment * square),
            alignment,
            2 / (((1 - p) * sharpness) + (p * sharpest)));
    }

    /// <summary>The least of <c>tr(H S(M)) / tr(H M)</c>, <c>S(M) = mean_i H_i M H_i - H M H</c>: the smallest eigenvalue of <c>H^{-1/2} (mean_i H_i H H_i - H^3) H^{-1/2}</c>.</summary>
    private static double LeastNoise(SampleCurvatures samples)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = samples.Rows, lambda = tensor(samples.Spectrum.ToArray());
        long n = rows.shape[0], c = rows.shape[1], r = rows.shape[2];
        Tensor inner = rows.mul(lambda).bmm(rows.transpose(1, 2));                  // R_i H R_i^T
        Tensor mean = rows.reshape(n * c, r).t().mm(inner.bmm(rows).reshape(n * c, r)).div_(n);
        Tensor root = lambda.rsqrt();
        Tensor scaled = mean.mul(root.unsqueeze(0)).mul_(root.unsqueeze(1)).sub_(lambda.square().diag());
        return linalg.eigvalsh(scaled.add(scaled.t()).mul_(0.5)).min().ToDouble();
    }
}
