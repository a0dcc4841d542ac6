using Curvature.Data;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>What the sampling estimators share: how many vectors go through a pass, when enough were drawn, and what they refuse.</summary>
internal static class Sampling
{
    /// <summary>Vectors that share one pass over the data.</summary>
    public const int ProbesPerPass = 8;

    /// <summary>
    /// Whether half the 95 % confidence interval is at most <paramref name="tolerance"/> of the value, and there are enough samples for a lucky start
    /// not to stop the estimate. Never without a tolerance.
    /// </summary>
    public static bool IsEnough(Estimate estimate, double? tolerance, int minimum) =>
        tolerance is { } t && estimate.Samples >= minimum && SamplesNeeded(estimate, t) <= estimate.Samples;

    /// <summary>
    /// Independent samples at which half the 95 % confidence interval is expected to be at most <paramref name="tolerance"/> of the value: the interval
    /// shrinks with their square root.
    /// </summary>
    public static double SamplesNeeded(Estimate estimate, double tolerance)
    {
        double half = estimate.HalfWidth(0.95);
        return half == 0 ? 0 : estimate.Samples * Math.Pow(half / (tolerance * Math.Abs(estimate.Value)), 2);
    }

    /// <summary>
    /// What an estimator gives that may spend as many products as there are columns: the exact trace. Under a tolerance that may be reached sooner, half as
    /// many products are tried first.
    /// </summary>
    /// <param name="a">A square operator.</param>
    /// <param name="layers">Blocks for the traces of the layers.</param>
    /// <param name="within">Makes the estimator with a number of products to spend.</param>
    /// <param name="tolerance">Relative tolerance, if any.</param>
    /// <param name="minimum">Samples before the tolerance is looked at.</param>
    /// <param name="progress">Told after each chunk of products.</param>
    /// <param name="cancellation">Ends between two chunks.</param>
    public static TraceEstimate Exactly(
        LinearOperator a,
        ParameterSpace? layers,
        Func<int, ITraceEstimator> within,
        double? tolerance,
        int minimum,
        IProgress<ProductProgress>? progress,
        CancellationToken cancellation)
    {
        (int half, int spent) = ((int)(a.Columns / 2), 0);
        if (tolerance is not null && half >= 3 * minimum) // three products a sample at most
        {
            TraceEstimate estimate = within(half).Estimate(a, layers, progress, cancellation);
            if (IsEnough(estimate.Total, tolerance, minimum))
            {
                return estimate;
            }

            spent = estimate.Total.Products;
        }

        return HutchinsonTrace.Exactly(a, layers, progress, cancellation).After(spent);
    }

    /// <summary>
    /// At how many probes to look again where looking costs P k^2: a quarter more each time, which keeps all looks together at a few times the last.
    /// </summary>
    public static int NextLook(int probes) => Math.Max(probes + ProbesPerPass, probes * 5 / 4);

    /// <summary>
    /// Mean of k leave-one-out samples with an unbiased error. Sample e_i comes from probe i and a basis of the others', so samples depend on each other:
    /// <c>Var mean = E s^2 / k + Cov(e_i, e_j)</c>, and s alone is too small. Given all other probes, e_i errs by 0 on average; hence with <c>e_i^(j)</c>, the sample with
    /// probe j left out as well, <c>E (e_i^(j) - t)(e_j - t) = E (e_i^(j) - t)(e_j^(i) - t) = 0</c>, and <c>Cov(e_i, e_j) = E (e_i - e_i^(j)) (e_j - e_j^(i))</c>.
    /// </summary>
    /// <param name="samples">Float64 <c>[k]</c>.</param>
    /// <param name="pairs">Float64 <c>[k, k]</c>: entry [i, j] is <c>e_i^(j)</c>; the diagonal is not looked at.</param>
    /// <param name="products">Products spent.</param>
    public static Estimate FromLeaveOneOut(Tensor samples, Tensor pairs, int products)
    {
        using DisposeScope scope = NewDisposeScope();
        long k = samples.shape[0];
        Estimate mean = Estimate.FromSamples(samples.data<double>().ToArray(), products);
        Tensor change = samples.unsqueeze(1).sub(pairs);
        double covariance = change.mul(change.t()).tril(-1).sum().ToDouble() * 2 / (k * (k - 1));
        return mean with { StandardError = Math.Sqrt((mean.StandardError * mean.StandardError) + Math.Max(0, covariance)) };
    }

    /// <summary>Refuses settings out of range.</summary>
    /// <param name="name">The name of the setting that limits the work.</param>
    /// <param name="most">Its value.</param>
    /// <param name="least">The least it may be.</param>
    /// <param name="minProbes">Samples before the tolerance is looked at.</param>
    /// <param name="tolerance">Relative tolerance, if any.</param>
    public static void Require(string name, int most, int least, int minProbes, double? tolerance)
    {
        if (most < least || minProbes < 2 || tolerance is <= 0 or double.NaN)
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"Expected {name} >= {least}, MinProbes >= 2 and a positive tolerance; got {most}, {minProbes} and {tolerance}."));
        }
    }

    /// <summary>Refuses an operator that is not square.</summary>
    public static void RequireSquare(LinearOperator a, string quantity)
    {
        if (a.Rows != a.Columns)
        {
            throw new CurvatureException($"Only a square operator has a {quantity}; this one is {a.Rows} x {a.Columns}.");
        }
    }

    /// <summary>Refuses an operator that is not symmetric by construction.</summary>
    public static void RequireSymmetric(LinearOperator a, string method)
    {
        if (!a.IsSymmetric)
        {
            throw new CurvatureException($"{method} needs a symmetric operator; this one is not symmetric by construction.");
        }
    }

    /// <summary>Refuses NaN and infinity.</summary>
    public static void RequireFinite(IEnumerable<double> numbers)
    {
        if (!numbers.All(double.IsFinite))
        {
            throw NotFinite();
        }
    }

    /// <summary>Refuses NaN and infinity.</summary>
    public static void RequireFinite(Tensor values)
    {
        if (!Finite.Everywhere(values))
        {
            throw NotFinite();
        }
    }

    /// <summary>The error for a product that is NaN or infinite.</summary>
    public static NonFiniteException NotFinite() =>
        new("A product with the operator is NaN or infinite. Check the operator's entries, or lower the scale of the problem.");
}
