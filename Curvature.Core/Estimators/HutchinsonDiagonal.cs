using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// Diagonal as a mean, <c>diag A ~ (1/m) sum_i v_i * A v_i</c> entry by entry with sign vectors v_i (Bekas, Kokiopoulou, Saad 2007, An Estimator for the
/// Diagonal of a Matrix). Unbiased; entry p has variance <c>sum_{q != p} A_pq^2</c> a probe, none where A is diagonal. Memory: two vectors. From as many
/// probes as columns on, the unit vectors give the exact diagonal with standard errors 0.
/// </summary>
public sealed record HutchinsonDiagonal : IDiagonalEstimator
{
    /// <summary>Vectors of memory that <see cref="SumOfSquares"/> takes.</summary>
    public const int VectorsOfSquares = SquaredMean.Groups;

    /// <value>Probes to draw, at most, one product each. At least 2. Default 64.</value>
    public int MaxProbes { get; init; } = 64;

    /// <value>Probes before the tolerance is first looked at. Default 16.</value>
    public int MinProbes { get; init; } = 16;

    /// <value>Stop once <see cref="DiagonalEstimate.RelativeError"/> is at most this; null (default): draw <see cref="MaxProbes"/>.</value>
    public double? RelativeTolerance { get; init; }

    /// <value>
    /// Whether to estimate <c>sum_p A_pp^2</c> too, from pairs of probes: the sum of the squared entries of the estimate would count their noise. It takes <see cref="VectorsOfSquares"/>
    /// more vectors of memory and no product; an exact diagonal has it in any case. Default false.
    /// </value>
    public bool SumOfSquares { get; init; }

    /// <value>Seed of the probes; probe i depends on (Seed, i) alone.</value>
    public int Seed { get; init; }

    /// <inheritdoc/>
    public DiagonalEstimate Estimate(LinearOperator a, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        Sampling.RequireSquare(a, "diagonal");
        Sampling.Require(nameof(MaxProbes), MaxProbes, 2, MinProbes, RelativeTolerance);
        if (MaxProbes >= a.Columns)
        {
            return Exactly(a, progress, cancellation);
        }

        using IDisposable noGrad = no_grad();
        using RunningMean mean = new(a.Columns, a.DType, a.Device);
        using SquaredMean? squares = SumOfSquares ? new SquaredMean(a.Columns, a.DType, a.Device) : null;
        while (mean.Count < MaxProbes)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            Tensor V = Probes.Draw(
                ProbeKind.Rademacher, a.Columns, mean.Count, Math.Min(Sampling.ProbesPerPass, MaxProbes - mean.Count), Seed, a.DType, a.Device);
            Tensor terms = V.mul(a.Apply(V));
            mean.Add(terms);
            squares?.Add(terms);
            progress?.Report(new ProductProgress("diagonal", mean.Count, MaxProbes));
            if (RelativeTolerance is { } tolerance && mean.Count >= MinProbes
                && Precision.Norm(mean.StandardErrors()) <= tolerance * Precision.Norm(mean.Mean))
            {
                break;
            }
        }

        Sampling.RequireFinite(mean.Mean);
        return new DiagonalEstimate(mean.Mean.clone(), mean.StandardErrors(), mean.Count, mean.Count, squares?.Estimate(mean.Count));
    }

    /// <summary>The exact diagonal from the unit vectors, one product a column.</summary>
    internal static DiagonalEstimate Exactly(LinearOperator a, IProgress<ProductProgress>? progress, CancellationToken cancellation)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        int total = (int)a.Columns;
        Tensor diagonal = empty(total, a.DType, a.Device);
        for (int first = 0; first < total; first += Sampling.ProbesPerPass)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope inner = NewDisposeScope();
            int count = Math.Min(Sampling.ProbesPerPass, total - first);
            diagonal.narrow(0, first, count).copy_(a.Apply(a.UnitVectors(first, count)).narrow(0, first, count).diagonal());
            progress?.Report(new ProductProgress("diagonal", first + count, total));
        }

        Sampling.RequireFinite(diagonal);
        return new DiagonalEstimate(diagonal, zeros_like(diagonal), total, 0);
    }
}
