using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// Frobenius norm, <c>|A|_F^2 = E |A v|^2</c> with sign vectors v: Hutchinson's estimator on <c>A^T A</c>, whose diagonal it takes exactly. The square is unbiased;
/// the norm is its root, with the error carried over, <c>SE / (2 norm)</c>. A matrix with fewer rows than columns is multiplied from its thinner side. From as many
/// probes as the thinner side is long on, the unit vectors give it exactly. No memory beyond a pass.
/// </summary>
public sealed record FrobeniusNorm
{
    /// <value>Probes to draw, at most, one product each. Default 64.</value>
    public int MaxProbes { get; init; } = 64;

    /// <value>Probes before the tolerance is first looked at. Default 16.</value>
    public int MinProbes { get; init; } = 16;

    /// <value>Stop once half the 95 % confidence interval of the norm is at most this fraction of it; null (default): draw <see cref="MaxProbes"/>.</value>
    public double? RelativeTolerance { get; init; }

    /// <value>Seed of the probes; probe i depends on (Seed, i) alone.</value>
    public int Seed { get; init; }

    /// <summary><c>|A|_F</c>.</summary>
    /// <param name="a">Any operator; one that is wider than tall needs a product with its transpose.</param>
    /// <param name="progress">Told after each chunk of probes.</param>
    /// <param name="cancellation">Ends between two chunks.</param>
    /// <exception cref="CurvatureException">Settings out of range.</exception>
    public Estimate Estimate(LinearOperator a, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default) =>
        Root(Square(a, progress, cancellation));

    /// <summary><c>|A|_F^2</c>, unbiased; as <see cref="Estimate"/> otherwise.</summary>
    public Estimate Square(LinearOperator a, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        Sampling.Require(nameof(MaxProbes), MaxProbes, 1, MinProbes, RelativeTolerance);
        LinearOperator tall = a.Rows < a.Columns ? a.Transpose() : a;
        bool exact = MaxProbes >= tall.Columns;
        int total = exact ? (int)tall.Columns : MaxProbes;
        using IDisposable noGrad = no_grad();
        List<double> samples = [];
        while (samples.Count < total)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            int count = Math.Min(Sampling.ProbesPerPass, total - samples.Count);
            Tensor V = exact
                ? tall.UnitVectors(samples.Count, count)
                : Probes.Draw(ProbeKind.Rademacher, tall.Columns, samples.Count, count, Seed, a.DType, a.Device);
            samples.AddRange(Squares(tall.Apply(V)));
            progress?.Report(new ProductProgress("norm", samples.Count, total));
            if (!exact && Sampling.IsEnough(Root(Estimators.Estimate.FromSamples(samples, samples.Count)), RelativeTolerance, MinProbes))
            {
                break;
            }
        }

        Sampling.RequireFinite(samples);
        return exact ? Estimators.Estimate.Exact(samples.Sum(), total) : Estimators.Estimate.FromSamples(samples, samples.Count);
    }

    /// <summary>The root of a square, with its error to first order.</summary>
    internal static Estimate Root(Estimate square)
    {
        double norm = Math.Sqrt(Math.Max(0, square.Value));
        return square with { Value = norm, StandardError = square.StandardError == 0 ? 0 : square.StandardError / (2 * norm) };
    }

    /// <summary>Squared length of each column. Scaled by a power of two first: squares of float32 entries below 1e-19 or above 1e19 leave its range.</summary>
    internal static double[] Squares(Tensor columns)
    {
        using DisposeScope scope = NewDisposeScope();
        double largest = columns.abs().max().ToDouble();
        if (largest == 0 || !double.IsFinite(largest))
        {
            return [.. Enumerable.Repeat(largest, (int)columns.shape[1])];
        }

        double scale = Math.ScaleB(1, -Math.ILogB(largest));
        return [.. columns.mul(scale).square().sum(dim: 0, type: ScalarType.Float64).cpu().data<double>().ToArray().Select(x => x / (scale * scale))];
    }
}
