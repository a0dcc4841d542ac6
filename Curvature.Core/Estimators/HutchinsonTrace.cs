using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// Trace as a mean of quadratic forms, <c>tr A ~ (1/m) sum_i v_i^T A v_i</c> with sign vectors v_i (Hutchinson 1990, A Stochastic Estimator of the
/// Trace of the Influence Matrix). Unbiased; for symmetric A one probe has variance <c>2 (|A|_F^2 - sum_i A_ii^2)</c>, none where A is diagonal.
/// <para>
/// What is asked of A are its quadratic forms (<see cref="LinearOperator.QuadraticForms"/>): a product each, of a Hessian that is cut at its layers about half of one. They give each layer's trace too,
/// <c>v_l^T (A v)_l</c>: unbiased, at the price of the cross-block terms' variance. Where as many probes are allowed as there are columns, the unit vectors give the exact trace with standard error 0: at once without a tolerance; with one, as soon
/// as sampling is expected to take more probes than that.
/// </para>
/// </summary>
public sealed record HutchinsonTrace : ITraceEstimator
{
    /// <summary>Probes that share one pass over the data.</summary>
    public const int ProbesPerPass = Sampling.ProbesPerPass;

    /// <value>Probes to draw, at most. Default 64.</value>
    public int MaxProbes { get; init; } = 64;

    /// <value>Probes to draw before the tolerance is first looked at, so that a lucky start does not stop the estimate. Default 16.</value>
    public int MinProbes { get; init; } = 16;

    /// <value>
    /// Stop once half the 95 % confidence interval is at most this fraction of the value; null (default): draw <see cref="MaxProbes"/>. The products of an
    /// exact trace, where it comes to that, are beside those of the probes already drawn.
    /// </value>
    public double? RelativeTolerance { get; init; }

    /// <value>Seed of the probes; probe i depends on (Seed, i) alone.</value>
    public int Seed { get; init; }

    /// <summary>Estimates the trace.</summary>
    /// <param name="a">A square operator.</param>
    /// <param name="layers">Blocks for the per-layer traces; null: those of a <see cref="CurvatureOperator"/>, none otherwise.</param>
    /// <param name="progress">Told after each chunk of probes.</param>
    /// <param name="cancellation">Ends between two chunks.</param>
    /// <exception cref="CurvatureException">Not square, or settings out of range.</exception>
    public TraceEstimate Estimate(
        LinearOperator a, ParameterSpace? layers = null, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        Sampling.RequireSquare(a, "trace");
        Sampling.Require(nameof(MaxProbes), MaxProbes, 1, MinProbes, RelativeTolerance);
        layers ??= a.Parameters;
        RequireSameSpace(a, layers);
        int blocks = layers?.Layers.Count ?? 1;
        bool exact = MaxProbes >= a.Columns && RelativeTolerance is null;
        int total = exact ? (int)a.Columns : MaxProbes;

        List<double>[] samples = [.. Enumerable.Range(0, blocks).Select(_ => new List<double>())];
        List<double> sums = [];
        while (sums.Count < total)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(ProbesPerPass, total - sums.Count);
            double[][] forms = QuadraticForms(a, layers, sums.Count, count, exact);
            Sampling.RequireFinite(forms.SelectMany(f => f));
            for (int j = 0; j < count; j++)
            {
                for (int b = 0; b < blocks; b++)
                {
                    samples[b].Add(forms[b][j]);
                }

                sums.Add(Enumerable.Range(0, blocks).Sum(b => forms[b][j]));
            }

            progress?.Report(new ProductProgress("trace", sums.Count, total));
            if (exact || RelativeTolerance is not { } tolerance || sums.Count < MinProbes)
            {
                continue;
            }

            double expected = Sampling.SamplesNeeded(Estimators.Estimate.FromSamples(sums, sums.Count), tolerance);
            if (expected <= sums.Count)
            {
                break;
            }

            if (MaxProbes >= a.Columns && expected > a.Columns)
            {
                return Exactly(a, layers, progress, cancellation).After(sums.Count);
            }
        }

        Estimate Summary(List<double> x) =>
            exact ? Estimators.Estimate.Exact(x.Sum(), sums.Count) : Estimators.Estimate.FromSamples(x, sums.Count);
        return new TraceEstimate(
            Summary(sums), layers is null ? [] : [.. layers.Layers.Select((layer, b) => new LayerTrace(layer.Name, layer.Count, Summary(samples[b])))]);
    }

    /// <summary>The exact trace from the unit vectors, one product a column: what every trace estimator gives that is allowed so many.</summary>
    internal static TraceEstimate Exactly(
        LinearOperator a, ParameterSpace? layers, IProgress<ProductProgress>? progress, CancellationToken cancellation) =>
        new HutchinsonTrace { MaxProbes = (int)a.Columns }.Estimate(a, layers, progress, cancellation);

    /// <summary><c>v_b^T (A v)_b</c> for each block b (the whole vector where there are none) and each of <paramref name="count"/> probes.</summary>
    private double[][] QuadraticForms(LinearOperator a, ParameterSpace? layers, int first, int count, bool exact)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor V = exact
            ? a.UnitVectors(first, count)
            : Probes.Draw(ProbeKind.Rademacher, a.Columns, first, count, Seed, a.DType, a.Device);
        return a.QuadraticForms(V, layers);
    }

    /// <summary>Refuses layers of another parameter space than the operator's.</summary>
    internal static void RequireSameSpace(LinearOperator a, ParameterSpace? layers)
    {
        if (layers is not null && layers.Count != a.Columns)
        {
            throw new CurvatureException($"The layers have {layers.Count} entries and the operator {a.Columns} columns: they must be of one parameter space.");
        }
    }
}
