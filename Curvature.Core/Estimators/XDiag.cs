using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// Diagonal from k exchangeable sign probes, each used to find the range of A and, left out of it, to measure what the others miss:
/// <c>diag A ~ (1/k) sum_i [ diag(Q_i Q_i^T A) + w_i * (I - Q_i Q_i^T) A w_i ]</c> (Epperly, Tropp, Webber 2024, XTrace: Making the Most of Every Sample in Stochastic
/// Trace Estimation, section 5). With <c>Q_i Q_i^T = Q (I - s_i s_i^T) Q^T</c> and <c>A Omega = Q R</c> sample i is, entry by entry,
/// <c>diag(Q Z^T) - (Q s_i) * (Z s_i) + (s_i . R_i) w_i * (Q s_i)</c>, <c>Z = A^T Q</c>. Unbiased; exact once half the products reach the rank.
/// <para>
/// The standard errors hold the covariance of two samples, estimated from what leaving a second probe out changes (see <see cref="XTrace"/>); each entry's is
/// an estimate from few numbers. Cost: k products with A, k with its transpose, and <c>k^2 P</c> operations for the errors. Memory: 3 k vectors. From as many products as columns on, the unit vectors give the
/// exact diagonal.
/// </para>
/// </summary>
public sealed record XDiag : IDiagonalEstimator
{
    /// <value>Products to spend, at most, two a probe. At least 4. Default 64.</value>
    public int MaxProducts { get; init; } = 64;

    /// <value>Probes before the tolerance is first looked at. Default 16.</value>
    public int MinProbes { get; init; } = 16;

    /// <value>Stop once <see cref="DiagonalEstimate.RelativeError"/> is at most this; null (default): spend all products.</value>
    public double? RelativeTolerance { get; init; }

    /// <value>Seed of the probes; probe i depends on (Seed, i) alone.</value>
    public int Seed { get; init; }

    /// <inheritdoc/>
    public DiagonalEstimate Estimate(LinearOperator a, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        Sampling.RequireSquare(a, "diagonal");
        Sampling.Require(nameof(MaxProducts), MaxProducts, 4, MinProbes, RelativeTolerance);
        if (MaxProducts >= a.Columns)
        {
            return HutchinsonDiagonal.Exactly(a, progress, cancellation);
        }

        int total = MaxProducts / 2, look = MinProbes;
        using RangeSketch sketch = new(a, ProbeKind.Rademacher, Seed, total, adjoint: true);
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            sketch.Grow(Math.Min(Sampling.ProbesPerPass, total - sketch.Probes));
            progress?.Report(new ProductProgress("diagonal", sketch.Products, 2 * total));
            bool last = sketch.Probes == total;
            if (last || (RelativeTolerance is not null && sketch.Probes >= look))
            {
                look = Sampling.NextLook(sketch.Probes);
                DiagonalEstimate estimate = Evaluate(a, sketch);
                if (last || estimate.RelativeError <= RelativeTolerance)
                {
                    return estimate;
                }

                estimate.Dispose();
            }
        }
    }

    /// <summary>Mean and standard errors by stretches of rows, so that temporaries of k^2 numbers a row stay small.</summary>
    private static DiagonalEstimate Evaluate(LinearOperator a, RangeSketch sketch)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        long k = sketch.Probes, stretch = Math.Max(1, (1L << 21) / (k * k));
        Tensor S = sketch.LeaveOneOut(), rho = S.mul(sketch.R).sum(dim: 0), C = S.t().mm(S);
        bool spansRange = sketch.Rank < sketch.Probes; // what is left is rounding: no pairs
        Tensor values = empty(a.Columns, a.DType, a.Device), errors = zeros_like(values);
        (S, rho, C) = (S.to(a.DType, a.Device), rho.to(a.DType, a.Device), C.to(a.DType, a.Device));
        Tensor rest = ones_like(C).sub(C.square()).clamp_min(1e-6);
        for (long first = 0; first < a.Columns; first += stretch)
        {
            using DisposeScope inner = NewDisposeScope();
            long count = Math.Min(stretch, a.Columns - first);
            Tensor Q = sketch.Q.narrow(1, first, count).t(), Z = sketch.Z.narrow(1, first, count).t(); // [rows, r]
            Tensor QS = Q.mm(S), ZS = Z.mm(S), w = sketch.Omega.narrow(1, first, count).t().mul(rho);   // [rows, k]
            Tensor samples = QS.mul(w.sub(ZS));
            Tensor mean = samples.sum(dim: 1).div(k);
            Tensor variance = samples.sub(mean.unsqueeze(1)).square().sum(dim: 1).div(k * (k - 1));
            if (!spansRange)
            {
                // Leaving out j too changes sample i by (q_j - c q_i) (z_j - c z_i + c rho_i w_i) / (1 - c^2), c = s_i . s_j: entry [row, i, j].
                Tensor change = QS.unsqueeze(1).sub(C.mul(QS.unsqueeze(2)))
                    .mul_(ZS.unsqueeze(1).add(C.mul(w.sub(ZS).unsqueeze(2)))).div_(rest);
                variance.add_(change.mul(change.transpose(1, 2)).tril(-1).sum(dim: 1).sum(dim: 1).mul(2.0 / (k * (k - 1))).clamp_min(0));
            }

            values.narrow(0, first, count).copy_(Q.mul(Z).sum(dim: 1).add(mean));
            errors.narrow(0, first, count).copy_(variance.sqrt());
        }

        return new DiagonalEstimate(values, errors, sketch.Products, (int)k);
    }
}
