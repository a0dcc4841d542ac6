using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// Trace with the large eigenvalues taken exactly, <c>tr A = tr(Q^T A Q) + tr((I - Q Q^T) A (I - Q Q^T))</c>: Q is an orthonormal basis of A times a third of the
/// products' probes, its part costs a product a column, and the rest is a Hutchinson mean over projected sign vectors (Meyer, Musco, Musco, Woodruff 2021,
/// Hutch++: Optimal Stochastic Trace Estimation, algorithm 1). Unbiased; exact once a third of the products reach the rank; its variance for m products falls
/// as <c>1/m^2</c>. Directions of the sketch at rounding level are dropped, which the paper does not do.
/// <para>
/// The standard error is that of the rest, given Q, and allows Student's t. Memory: m / 3 vectors. From as many products as columns on, the unit
/// vectors give the exact trace.
/// </para>
/// </summary>
public sealed record HutchPlusPlus : ITraceEstimator
{
    /// <value>Products to spend, at most; a third each for sketch, sketched part and rest. At least 6. Default 64.</value>
    public int MaxProducts { get; init; } = 64;

    /// <value>Probes of the rest before the tolerance is first looked at. Default 16.</value>
    public int MinProbes { get; init; } = 16;

    /// <value>
    /// Stop once half the 95 % confidence interval is at most this fraction of the value; null (default): spend all products. The sketch is
    /// made in any case: the tolerance can only save the last third.
    /// </value>
    public double? RelativeTolerance { get; init; }

    /// <value>Seed of the probes; probe i depends on (Seed, i) alone.</value>
    public int Seed { get; init; }

    /// <inheritdoc/>
    public TraceEstimate Estimate(
        LinearOperator a, ParameterSpace? layers = null, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        Sampling.RequireSquare(a, "trace");
        Sampling.Require(nameof(MaxProducts), MaxProducts, 6, MinProbes, RelativeTolerance);
        if (MaxProducts >= a.Columns)
        {
            return Sampling.Exactly(a, layers, products => this with { MaxProducts = products }, RelativeTolerance, MinProbes, progress, cancellation);
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        int third = MaxProducts / 3;
        DeviceMemory.RequireVectors(third + (3L * Sampling.ProbesPerPass), a.Columns, a.DType, a.Device, "Ask for fewer products.", "basis");
        Tensor Q = empty([third, a.Columns], a.DType, a.Device);
        (int rank, int products, double scale, double sketched) = (0, 0, 0, 0);
        for (int first = 0; first < third; first += Sampling.ProbesPerPass)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope inner = NewDisposeScope();
            int count = Math.Min(Sampling.ProbesPerPass, third - first);
            Tensor Y = a.Apply(Probes.Draw(ProbeKind.Rademacher, a.Columns, first, count, Seed, a.DType, a.Device));
            scale = Math.Max(scale, Precision.RowNorms(Y.t()).max().ToDouble());
            Tensor fresh = TallMatrix.Orthonormalise(Y, Q.narrow(0, 0, rank), 10 * Precision.Epsilon(a.DType) * scale);
            int found = (int)fresh.shape[1];
            products += count + found;
            if (found > 0)
            {
                Q.narrow(0, rank, found).copy_(fresh.t());
                sketched += fresh.mul(a.Apply(fresh)).sum(ScalarType.Float64).ToDouble();
                rank += found;
            }

            progress?.Report(new ProductProgress("trace", products, MaxProducts));
        }

        Estimate rest = Rest(a, Q.narrow(0, 0, rank), third, products, sketched, progress, cancellation);
        return new TraceEstimate(rest, []);
    }

    /// <summary>Adds the mean of <c>g^T A g</c>, <c>g = (I - Q Q^T) v</c>, to the sketched part.</summary>
    private Estimate Rest(
        LinearOperator a, Tensor Q, int third, int products, double sketched, IProgress<ProductProgress>? progress, CancellationToken cancellation)
    {
        int total = Math.Max(2, MaxProducts - (2 * third));
        List<double> samples = [];
        while (samples.Count < total)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope inner = NewDisposeScope();
            int count = Math.Min(Sampling.ProbesPerPass, total - samples.Count);
            Tensor g = Probes.Draw(ProbeKind.Rademacher, a.Columns, third + samples.Count, count, Seed, a.DType, a.Device);
            for (int pass = 0; pass < 2 && Q.shape[0] > 0; pass++)
            {
                g = g.sub(Q.t().mm(Q.mm(g)));
            }

            samples.AddRange(g.mul(a.Apply(g)).sum(dim: 0, type: ScalarType.Float64).cpu().data<double>().ToArray().Select(x => sketched + x));
            products += count;
            progress?.Report(new ProductProgress("trace", products, MaxProducts));
            if (Sampling.IsEnough(Estimators.Estimate.FromSamples(samples, products), RelativeTolerance, MinProbes))
            {
                break;
            }
        }

        return Estimators.Estimate.FromSamples(samples, products);
    }
}
