using Curvature.Krylov;
using Curvature.Operators;

namespace Curvature.Estimators;

/// <summary>
/// Trace of a function of a symmetric matrix, <c>tr f(A) = sum_i f(lambda_i) ~ (P/R) sum_r sum_j w_rj f(node_rj)</c>, by stochastic Lanczos quadrature: each run's rule
/// is exact for polynomials of degree <c>2 Steps - 1</c> (Ubaru, Chen, Saad 2017, Fast Estimation of tr(f(A)) via Stochastic Lanczos Quadrature; start vectors uniform on
/// the sphere). Cost: <c>Steps</c> products a run, eight runs in lock-step, and as many vectors of memory.
/// <para>
/// Where one eigenvalue outweighs the rest of the sum, the runs' values are skewed. The interval follows that (it is longer above the value than below): for <c>exp</c> of a matrix of 100 rows with one eigenvalue far above the
/// others, 8 runs cover 98 %, where <c>value -+ t SE</c> would cover 85.
/// </para>
/// </summary>
public sealed record FunctionTrace
{
    /// <value>Lanczos steps a run. Default 100.</value>
    public int Steps { get; init; } = 100;

    /// <value>Start vectors, at most. At least 2. Default 16.</value>
    public int MaxRuns { get; init; } = 16;

    /// <value>Runs before the tolerance is first looked at. Default 8.</value>
    public int MinRuns { get; init; } = 8;

    /// <value>Stop once half the 95 % confidence interval is at most this fraction of the value; null (default): make all runs.</value>
    public double? RelativeTolerance { get; init; }

    /// <value>Seed of the start vectors; run r depends on (Seed, r) alone.</value>
    public int Seed { get; init; }

    /// <summary><c>tr f(A)</c>.</summary>
    /// <param name="a">A symmetric operator.</param>
    /// <param name="f">Finite at every eigenvalue, and on the interval they span where it is to be integrated well.</param>
    /// <param name="progress">Told after each step.</param>
    /// <param name="cancellation">Ends between two steps.</param>
    /// <exception cref="CurvatureException">Not symmetric, settings out of range, too little memory, or f is not finite at a node.</exception>
    public FunctionEstimate Estimate(
        LinearOperator a, Func<double, double> f, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default) =>
        EstimateChecked(a, f, _ => { }, progress, cancellation);

    /// <summary>As the other, with looks at the rules before f sees them, also at those of a few steps on the way: what f cannot take is refused as soon as it shows, since every node lies within the spectrum.</summary>
    internal FunctionEstimate EstimateChecked(
        LinearOperator a, Func<double, double> f, Action<IReadOnlyList<QuadratureRule>> check, IProgress<ProductProgress>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(f);
        Sampling.Require(nameof(MaxRuns), MaxRuns, 2, MinRuns, RelativeTolerance);
        List<QuadratureRule> rules = [];
        List<double> values = [], shorter = [];
        int products = 0;
        Estimate estimate = Estimators.Estimate.Exact(0, 0);
        while (values.Count < MaxRuns)
        {
            int count = Math.Min(Sampling.ProbesPerPass, MaxRuns - values.Count);
            LanczosRuns runs = LanczosRuns.From(a, count, Steps, Seed, values.Count, few => check([.. few.Alphas.Zip(few.Betas, QuadratureRule.Gauss)]), OffsetProgress.Of(progress, products, Steps * MaxRuns), cancellation);
            products += runs.Products;
            rules.AddRange(runs.Alphas.Zip(runs.Betas, QuadratureRule.Gauss));
            check(rules);
            foreach ((double[] alpha, double[] beta) in runs.Alphas.Zip(runs.Betas))
            {
                QuadratureRule rule = rules[values.Count];
                bool complete = alpha.Length < Steps || alpha.Length == a.Columns;
                int fewer = complete ? alpha.Length : Math.Max(1, alpha.Length / 2);
                values.Add(a.Columns * Integral(rule, f));
                shorter.Add(fewer == alpha.Length ? values[^1] : a.Columns * Integral(QuadratureRule.Gauss(alpha[..fewer], beta[..(fewer - 1)]), f));
            }

            estimate = QuadratureSpread.Mean(a.Columns, rules, f, a.Columns, products);
            if (Sampling.IsEnough(estimate, RelativeTolerance, MinRuns))
            {
                break;
            }
        }

        return new FunctionEstimate(estimate, Math.Abs(values.Average() - shorter.Average()), rules);
    }

    private static double Integral(QuadratureRule rule, Func<double, double> f)
    {
        double value = rule.Integrate(f);
        return double.IsFinite(value)
            ? value
            : throw new NonFiniteException(FormattableString.Invariant(
                $"The function is not finite at an eigenvalue between {rule.Nodes[0]:g6} and {rule.Nodes[^1]:g6}. Shift the matrix, or define the function there."));
    }
}
