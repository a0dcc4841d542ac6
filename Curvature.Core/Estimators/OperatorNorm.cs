using Curvature.Krylov;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// Operator norm, <c>|A|_2 = max |lambda_i|</c> (largest singular value where A is not symmetric), from both sides. Lanczos from a random start gives the largest Ritz value
/// xi, a lower bound for certain; how much a start vector could have hidden is bounded by Kuczynski and Wozniakowski 1992, Estimating the Largest Eigenvalue by the Power and
/// Lanczos Algorithms with a Random Start, theorem 4.2: for positive semidefinite A of P rows and k steps,
/// <c>Prob(lambda_1 - xi > eps lambda_1) &lt;= 1.648 sqrt(P) exp(-(2 k - 1) sqrt(eps))</c>.
/// <para>
/// Lanczos does not see shifts, so <c>A - lambda_P I</c> and <c>lambda_1 I - A</c> give both ends of any symmetric matrix, each with half the risk: with W the range of the Ritz
/// values, either end lies at most <c>eps W / (1 - 2 eps)</c> outside. For a matrix that is not symmetric the theorem is used on <c>A^T A</c>,
/// <c>|A|^2 &lt;= xi / (1 - eps)</c>, at two products a step. The bound depends on P only through <c>log P</c>: 100 steps give 2 % at ten million rows.
/// </para>
/// <para>
/// With a tolerance, the bounds are looked at every five steps, and the j-th look takes <c>1 / (j (j + 1))</c> of the risk: the stated probability holds at whichever look ends
/// the run.
/// </para>
/// <para>Memory: a vector a step. A Krylov space that becomes invariant holds the whole spectrum that the start vector touches: value and bound then meet.</para>
/// </summary>
public sealed record OperatorNorm
{
    /// <value>Lanczos steps, at most. Default 100.</value>
    public int MaxSteps { get; init; } = 100;

    /// <value>Stop once the bounds are this near each other, relative to the value; null (default): make all steps.</value>
    public double? RelativeTolerance { get; init; }

    /// <value>Probability with which the upper bound holds, over the start vector; in (0, 1). Default 0.99.</value>
    public double Probability { get; init; } = 0.99;

    /// <value>Seed of the start vector.</value>
    public int Seed { get; init; }

    /// <summary>Bounds the norm.</summary>
    /// <param name="a">Any operator; one that is not symmetric needs a product with its transpose.</param>
    /// <param name="progress">Told after each step.</param>
    /// <param name="cancellation">Ends between two steps.</param>
    /// <exception cref="CurvatureException">Settings out of range, or too little memory.</exception>
    public NormBound Estimate(LinearOperator a, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (MaxSteps < 1 || RelativeTolerance is <= 0 or double.NaN || Probability is not (> 0 and < 1))
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"Expected MaxSteps >= 1, a positive tolerance and a probability between 0 and 1; got {MaxSteps}, {RelativeTolerance} and {Probability}."));
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using GramOperator? gram = a.IsSymmetric ? null : new GramOperator(a.Rows < a.Columns ? a.Transpose() : a);
        LinearOperator symmetric = gram ?? a;
        int steps = (int)Math.Min(MaxSteps, symmetric.Columns), each = gram is null ? 1 : 2;
        DeviceMemory.RequireVectors(steps + 1L, symmetric.Columns, a.DType, a.Device, "Ask for fewer steps.");
        Tensor start = Probes.Draw(ProbeKind.Gaussian, symmetric.Columns, 0, 1, Seed, a.DType, a.Device).squeeze(1);
        using KrylovBasis basis = new(symmetric, steps, zeros([0, symmetric.Columns], a.DType, a.Device), start);
        int looks = 0;
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            basis.Expand();
            progress?.Report(new ProductProgress("norm", basis.Length * each, steps * each));
            bool last = basis.Length == steps || basis.IsInvariant;
            if (last || (RelativeTolerance is not null && basis.Length % 5 == 0))
            {
                looks++;
                double risk = (1 - Probability) / (RelativeTolerance is null ? 1 : looks * (looks + 1.0));
                NormBound bound = Bound(basis, symmetric, gram is not null, risk);
                if (last || bound.UpperBound - bound.Value <= RelativeTolerance * bound.Value)
                {
                    return bound;
                }
            }
        }
    }

    private NormBound Bound(KrylovBasis basis, LinearOperator a, bool isGram, double risk)
    {
        (double[] values, double[] residuals, _) = basis.Ritz();
        (double low, double high) = (values.Min(), values.Max());
        Sampling.RequireFinite([low, high]);
        int largest = Array.FindIndex(values, v => Math.Abs(v) == Math.Max(Math.Abs(low), Math.Abs(high)));
        double magnitude = Math.Abs(values[largest]);

        // An invariant space leaves nothing out but rounding.
        double rounding = 20 * Precision.Epsilon(a.DType) * magnitude;
        double upper = magnitude + rounding;
        if (!basis.IsInvariant)
        {
            double each = risk / (isGram ? 1 : 2);
            double eps = Math.Pow(Math.Max(0, Math.Log(1.648 * Math.Sqrt(a.Columns) / each)) / ((2 * basis.Length) - 1), 2);
            upper += isGram
                ? (eps < 1 ? magnitude * eps / (1 - eps) : double.PositiveInfinity)
                : (eps < 0.5 ? (high - low) * eps / (1 - (2 * eps)) : double.PositiveInfinity);
        }

        return isGram
            ? new NormBound(Math.Sqrt(magnitude), residuals[largest], Math.Sqrt(upper), Probability, 2 * basis.Length)
            : new NormBound(magnitude, residuals[largest], upper, Probability, basis.Length);
    }
}
