using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// Several quantities from one stream of products: with sign vectors v and <c>u = A v</c>, the trace <c>v^T u</c>, each layer's <c>v_l^T u_l</c>, the diagonal
/// <c>v * u</c> and the squared Frobenius norm <c>|u|^2</c>, each with its standard error over the probes. The probes are those of <see cref="HutchinsonTrace"/> and
/// <see cref="HutchinsonDiagonal"/>, and so are the numbers, to rounding. A trace alone is cheaper by itself where the matrix knows its quadratic forms (<see cref="LinearOperator.QuadraticForms"/>). From as many probes as columns on, the unit vectors give all of it exactly.
/// </summary>
#pragma warning disable CA1711 // a stream of products, not of bytes
public sealed record ProductStream
#pragma warning restore CA1711
{
    /// <value>Probes to draw, at most, one product each. At least 2. Default 64.</value>
    public int MaxProbes { get; init; } = 64;

    /// <value>Probes before the tolerance is first looked at. Default 16.</value>
    public int MinProbes { get; init; } = 16;

    /// <value>Stop once half the 95 % confidence interval of the trace is at most this fraction of it; null (default): draw <see cref="MaxProbes"/>.</value>
    public double? RelativeTolerance { get; init; }

    /// <value>Whether to keep the diagonal: two vectors of memory. Default true.</value>
    public bool Diagonal { get; init; } = true;

    /// <value>Whether to estimate the diagonal's sum of squares too: 16 vectors of memory. Default false.</value>
    public bool SumOfSquares { get; init; }

    /// <value>Seed of the probes; probe i depends on (Seed, i) alone.</value>
    public int Seed { get; init; }

    /// <summary>Draws the stream.</summary>
    /// <param name="a">A square operator.</param>
    /// <param name="layers">Blocks for the traces of the layers; null: those of a <see cref="CurvatureOperator"/>, none otherwise.</param>
    /// <param name="progress">Told after each chunk of probes.</param>
    /// <param name="cancellation">Ends between two chunks.</param>
    /// <returns>Everything; the caller disposes it.</returns>
    /// <exception cref="CurvatureException">Not square, layers of another space, settings out of range, or too little memory.</exception>
    public StreamEstimate Estimate(
        LinearOperator a, ParameterSpace? layers = null, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        Sampling.RequireSquare(a, "trace");
        Sampling.Require(nameof(MaxProbes), MaxProbes, 2, MinProbes, RelativeTolerance);
        layers ??= a.Parameters;
        HutchinsonTrace.RequireSameSpace(a, layers);
        bool exact = MaxProbes >= a.Columns;
        int total = exact ? (int)a.Columns : MaxProbes;

        using IDisposable noGrad = no_grad();
        using RunningMean? mean = Diagonal ? new RunningMean(a.Columns, a.DType, a.Device) : null;
        using SquaredMean? pairs = SumOfSquares && !exact ? new SquaredMean(a.Columns, a.DType, a.Device) : null;
        List<double>[] traces = [.. Enumerable.Range(0, layers?.Layers.Count ?? 1).Select(_ => new List<double>())];
        List<double> sums = [], squares = [];
        double diagonalSquares = 0;
        while (sums.Count < total)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            int count = Math.Min(Sampling.ProbesPerPass, total - sums.Count);
            Tensor V = exact
                ? a.UnitVectors(sums.Count, count)
                : Probes.Draw(ProbeKind.Rademacher, a.Columns, sums.Count, count, Seed, a.DType, a.Device);
            Tensor U = a.Apply(V), terms = V.mul(U);
            double[][] forms = BlockForms.ByBlock(BlockForms.Sums(terms, layers), layers);
            squares.AddRange(FrobeniusNorm.Squares(U));
            Sampling.RequireFinite(squares);
            mean?.Add(terms);
            pairs?.Add(terms);
            for (int j = 0; j < count; j++)
            {
                for (int b = 0; b < traces.Length; b++)
                {
                    traces[b].Add(forms[b][j]);
                }

                sums.Add(forms.Sum(f => f[j]));
                diagonalSquares += sums[^1] * sums[^1]; // with unit vectors, the squared entry
            }

            progress?.Report(new ProductProgress("products", sums.Count, total));
            if (!exact && Sampling.IsEnough(Estimators.Estimate.FromSamples(sums, sums.Count), RelativeTolerance, MinProbes))
            {
                break;
            }
        }

        Estimate Summary(List<double> x) =>
            exact ? Estimators.Estimate.Exact(x.Sum(), sums.Count) : Estimators.Estimate.FromSamples(x, sums.Count);
        Estimate? sumOfSquares = !SumOfSquares ? null : exact ? Estimators.Estimate.Exact(diagonalSquares, total) : pairs!.Estimate(sums.Count);
        DiagonalEstimate? diagonal = mean is null ? null : exact
            ? new DiagonalEstimate(mean.Mean.mul(total), zeros_like(mean.Mean), total, 0, sumOfSquares)
            : new DiagonalEstimate(mean.Mean.clone(), mean.StandardErrors(), sums.Count, sums.Count, sumOfSquares);
        TraceEstimate trace = new(
            Summary(sums), layers is null ? [] : [.. layers.Layers.Select((layer, b) => new LayerTrace(layer.Name, layer.Count, Summary(traces[b])))]);
        return new StreamEstimate(trace, Summary(squares), diagonal, sumOfSquares, Seed, a.Columns, new StreamSamples(sums, traces, squares, exact));
    }
}
