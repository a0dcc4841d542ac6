using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Operators;
using Curvature.Tensors;

namespace Curvature.Optimizers;

/// <summary>
/// The ends of a curvature matrix' spectrum as one run of Lanczos sees them, and the learning rate and momentum that suit them. L is the largest |Ritz value|, mu the smallest among those that count for something:
/// a Ritz value that stands for more than half of the start vector is the crowd near zero of a network's Hessian and is left out, as are those within rounding of zero and those that rounding alone brought in.
/// </summary>
/// <param name="Smallest">mu.</param>
/// <param name="Largest">L.</param>
/// <param name="Products">Products spent.</param>
/// <remarks>Published code leaves heavy values out of L too. There the largest could be lost, and with it stability: here L is the largest of all.</remarks>
public sealed record LanczosRates(double Smallest, double Largest, int Products)
{
    private const double Crowd = 0.5;

    /// <summary>Runs Lanczos. Cost: <paramref name="steps"/> products and as many vectors of memory.</summary>
    /// <param name="a">Symmetric: the Hessian, or a Gauss-Newton matrix, of a batch as large as can be had.</param>
    /// <param name="steps">Lanczos steps, P at most. The ends of the spectrum come first: ten to a hundred.</param>
    /// <param name="seed">Of the start vector.</param>
    /// <param name="run">Number of the start vector: another one for another refresh.</param>
    /// <param name="cancellation">Ends it between two steps.</param>
    /// <exception cref="CurvatureException">The operator is not symmetric, or zero.</exception>
    public static LanczosRates Of(LinearOperator a, int steps = 30, int seed = 0, int run = 0, CancellationToken cancellation = default)
    {
        LanczosRuns lanczos = LanczosRuns.From(a, runs: 1, steps, seed, run, cancellation: cancellation);
        var rule = QuadratureRule.Gauss(lanczos.Alphas[0], lanczos.Betas[0]);
        double[] sizes = [.. rule.Nodes.Select(Math.Abs)];
        double L = sizes.Max(), epsilon = Precision.Epsilon(a.DType), rounding = 1e3 * epsilon * L, unseen = Math.Pow(1e3 * epsilon, 2);
        if (!(L > 0))
        {
            throw new CurvatureException("The matrix is zero along the start vector: there is no curvature to take a learning rate from. Where there was some before, the steps have been too long for it: lower the factor.");
        }

        // Copies of one value share its weight among them.
        double Weight(int i) => rule.Nodes.Zip(rule.Weights).Where(pair => Math.Abs(pair.First - rule.Nodes[i]) <= rounding).Sum(pair => pair.Second);
        double[] count = [.. sizes.Where((size, i) => size > rounding && Weight(i) is var weight && weight <= Crowd && weight > unseen)];
        return new LanczosRates(count.Length > 0 ? count.Min() : L, L, lanczos.Products);
    }

    /// <summary>Learning rate and momentum, the rate at most <c>(2 + 2 momentum) / L</c>, where heavy ball begins to diverge.</summary>
    /// <param name="rule">How.</param>
    public (double LearningRate, double Momentum) By(LanczosRule rule)
    {
        (double a, double b) = (Math.Sqrt(Largest), Math.Sqrt(Smallest));
        double q = (a - b) / (a + b);
        (double rate, double momentum) = rule switch
        {
            LanczosRule.Polyak => (4 / ((a + b) * (a + b)), q * q),
            LanczosRule.GradientDescent => (2 / (Largest + Smallest), 0),
            LanczosRule.Published => (b / a, q),
            _ => throw new CurvatureException($"Unknown rule {rule}. Expected one of: {string.Join(", ", Enum.GetNames<LanczosRule>())}."),
        };
        return (Math.Min(rate, (2 + (2 * momentum)) / Largest), momentum);
    }
}
