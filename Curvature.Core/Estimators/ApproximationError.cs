using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// How far an approximation B (low rank, Kronecker, diagonal) is from a matrix A that is known by products: <c>|A - B|_F^2 ~ (1/q) sum_i |(A - B) v_i|^2</c> with q Gaussian vectors,
/// and an interval that holds whatever the matrices and their size. The estimate is a mixture of chi-squares, for which
/// <c>Prob(estimate &lt;= (1 - eps) true) &lt;= (e^eps (1 - eps))^(q/2)</c> and <c>Prob(estimate >= (1 + eps) true) &lt;= (e^-eps (1 + eps))^(q/2)</c> (Chernoff; as in Gratton and Titley-Peloquin
/// 2018, Improved Bounds for Small-Sample Estimation); the interval takes half the risk at either end. Safe rather than short: a standard error, which is stated too, trusts the
/// normal approximation. The same products give <c>|A|_F</c>, and so the relative error.
/// </summary>
public sealed record ApproximationError
{
    /// <value>Gaussian vectors q, one product with A and B each. At least 2. Default 32.</value>
    public int Probes { get; init; } = 32;

    /// <value>Probability with which the interval holds; in (0, 1). Default 0.95.</value>
    public double Probability { get; init; } = 0.95;

    /// <value>Seed of the vectors; vector i depends on (Seed, i) alone.</value>
    public int Seed { get; init; }

    /// <summary>Measures the error.</summary>
    /// <param name="a">The matrix.</param>
    /// <param name="approximation">B, of the same shape, dtype and device.</param>
    /// <param name="progress">Told after each chunk of products.</param>
    /// <param name="cancellation">Ends between two chunks.</param>
    /// <exception cref="CurvatureException">Operators that do not fit each other, or settings out of range.</exception>
    public ErrorBound Estimate(
        LinearOperator a, LinearOperator approximation, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (Probes < 2 || Probability is not (> 0 and < 1))
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"Expected at least 2 probes and a probability between 0 and 1; got {Probes} and {Probability}."));
        }

        if (a.Rows != approximation.Rows || a.Columns != approximation.Columns || a.DType != approximation.DType)
        {
            throw new CurvatureException(
                $"The approximation is {approximation.Rows} x {approximation.Columns} of {approximation.DType}; expected {a.Rows} x {a.Columns} of {a.DType}, as the operator.");
        }

        using IDisposable noGrad = no_grad();
        List<double> errors = [], norms = [];
        while (errors.Count < Probes)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            int count = Math.Min(Sampling.ProbesPerPass, Probes - errors.Count);
            Tensor V = Tensors.Probes.Draw(ProbeKind.Gaussian, a.Columns, errors.Count, count, Seed, a.DType, a.Device);
            Tensor AV = a.Apply(V);
            norms.AddRange(FrobeniusNorm.Squares(AV));
            errors.AddRange(FrobeniusNorm.Squares(AV.sub(approximation.Apply(V))));
            Sampling.RequireFinite(errors);
            progress?.Report(new ProductProgress("approximation error", errors.Count, Probes));
        }

        Estimate square = Estimators.Estimate.FromSamples(errors, Probes), norm = FrobeniusNorm.Root(square);
        (double below, double above) = Margins(Probes, 1 - Probability);
        return new ErrorBound(
            norm, norm.Value / Math.Sqrt(1 + above), norm.Value / Math.Sqrt(1 - below), Probability, Relative(errors, norms));
    }

    /// <summary>
    /// The eps by which an estimate from q probes stays above <c>(1 - below) true</c> and under <c>(1 + above) true</c>, each but for half the risk.
    /// </summary>
    internal static (double Below, double Above) Margins(int q, double risk)
    {
        double limit = Math.Log(risk / 2) / (q / 2.0);
        // eps + ln(1 - eps) and ln(1 + eps) - eps fall from 0 as eps grows.
        return (Solve(eps => eps + Math.Log(1 - eps), limit, 1), Solve(eps => Math.Log(1 + eps) - eps, limit, 1 - (4 * limit)));
    }

    private static double Solve(Func<double, double> falling, double value, double top)
    {
        (double low, double high) = (0, top);
        for (int i = 0; i < 200; i++)
        {
            double middle = (low + high) / 2;
            (low, high) = falling(middle) > value ? (middle, high) : (low, middle);
        }

        return high;
    }

    /// <summary><c>|A - B|_F / |A|_F</c> with the paired samples' error to first order.</summary>
    private static Estimate Relative(List<double> errors, List<double> norms)
    {
        double ratio = norms.Sum() == 0 ? (errors.Sum() == 0 ? 0 : double.PositiveInfinity) : errors.Sum() / norms.Sum();
        if (!double.IsFinite(ratio) || ratio == 0)
        {
            return new Estimate(ratio, double.IsFinite(ratio) ? 0 : double.NaN, errors.Count, errors.Count);
        }

        double mean = norms.Average();
        Estimate square = Estimators.Estimate.FromSamples([.. errors.Zip(norms, (e, n) => ratio + ((e - (ratio * n)) / mean))], errors.Count);
        return FrobeniusNorm.Root(square);
    }
}
