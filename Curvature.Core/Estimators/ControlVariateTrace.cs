using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// Trace by comparison with an approximation B of known trace, such as a Kronecker or low-rank model of A:
/// <c>tr A ~ c tr B + (1/m) sum_i v_i^T (A - c B) v_i</c> with sign vectors v_i. Unbiased for every c; the variance is that of Hutchinson's estimator on <c>A - c B</c>,
/// <c>2 |offdiag(A - c B)|_F^2</c> a probe (control variates: Hammersley and Handscomb 1964, Monte Carlo Methods, section 5.5).
/// <para>
/// With <see cref="FitCoefficient"/>, sample i uses the regression slope of the other samples, so that it stays unbiased; c is the better choice where B has the right shape
/// and the wrong scale. Products are those with A; B's are taken to be cheap. No breakdown by layer.
/// </para>
/// </summary>
/// <param name="Approximation">B: of A's shape, dtype and device, with an <see cref="LinearOperator.ExactTrace"/>; stays the caller's.</param>
public sealed record ControlVariateTrace(LinearOperator Approximation) : ITraceEstimator
{
    /// <value>Probes to draw, at most, one product each. At least 2, and 4 with <see cref="FitCoefficient"/>. Default 64.</value>
    public int MaxProbes { get; init; } = 64;

    /// <value>Probes before the tolerance is first looked at. Default 16.</value>
    public int MinProbes { get; init; } = 16;

    /// <value>Stop once half the 95 % confidence interval is at most this fraction of the value; null (default): draw <see cref="MaxProbes"/>.</value>
    public double? RelativeTolerance { get; init; }

    /// <value>Whether to fit c; false (default): c = 1.</value>
    public bool FitCoefficient { get; init; }

    /// <value>Seed of the probes; probe i depends on (Seed, i) alone and is that of <see cref="HutchinsonTrace"/>.</value>
    public int Seed { get; init; }

    /// <inheritdoc/>
    public TraceEstimate Estimate(
        LinearOperator a, ParameterSpace? layers = null, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        Sampling.RequireSquare(a, "trace");
        Sampling.Require(nameof(MaxProbes), MaxProbes, FitCoefficient ? 4 : 2, MinProbes, RelativeTolerance);
        double known = Approximation.ExactTrace ?? throw new CurvatureException(
            $"A control variate needs an approximation whose trace is known without products; {Approximation.GetType().Name} does not know its own.");
        if (Approximation.Rows != a.Rows || Approximation.Columns != a.Columns || Approximation.DType != a.DType)
        {
            throw new CurvatureException(
                $"The approximation is {Approximation.Rows} x {Approximation.Columns} of {Approximation.DType}; expected {a.Rows} x {a.Columns} of {a.DType}, as the operator.");
        }

        if (MaxProbes >= a.Columns)
        {
            return HutchinsonTrace.Exactly(a, layers, progress, cancellation);
        }

        using IDisposable noGrad = no_grad();
        List<double> x = [], y = [];
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            Tensor V = Probes.Draw(
                ProbeKind.Rademacher, a.Columns, x.Count, Math.Min(Sampling.ProbesPerPass, MaxProbes - x.Count), Seed, a.DType, a.Device);
            x.AddRange(a.QuadraticForms(V)[0]);
            y.AddRange(Approximation.QuadraticForms(V)[0].Select(form => form - known));
            Sampling.RequireFinite(x.Concat(y));
            progress?.Report(new ProductProgress("trace", x.Count, MaxProbes));
            Estimate estimate = Estimators.Estimate.FromSamples(FitCoefficient ? Fitted(x, y) : [.. x.Zip(y, (a, b) => a - b)], x.Count);
            if (x.Count == MaxProbes || Sampling.IsEnough(estimate, RelativeTolerance, MinProbes))
            {
                return new TraceEstimate(estimate, []);
            }
        }
    }

    /// <summary><c>x_i - c_i y_i</c> with c_i the slope of x on y over all samples but i.</summary>
    private static double[] Fitted(List<double> x, List<double> y)
    {
        int n = x.Count;
        (double sx, double sy, double xMean, double yMean) = (0, 0, x.Average(), y.Average());
        for (int i = 0; i < n; i++)
        {
            sx += (x[i] - xMean) * (y[i] - yMean);
            sy += (y[i] - yMean) * (y[i] - yMean);
        }

        // Leaving sample i out of a sum of centred products takes n / (n - 1) of its own product away.
        double share = n / (n - 1.0);
        return [.. x.Select((xi, i) =>
        {
            double left = sy - (share * (y[i] - yMean) * (y[i] - yMean));
            double slope = left <= 1e-12 * sy ? 0 : (sx - (share * (xi - xMean) * (y[i] - yMean))) / left;
            return xi - (slope * y[i]);
        })];
    }
}
