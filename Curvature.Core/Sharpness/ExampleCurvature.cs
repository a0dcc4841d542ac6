using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// Slope <c>g_i^T v</c> and curvature <c>v^T H_i v</c> of every example's own loss along one direction, exactly. Weighted by the examples' shares they add up to those of the whole loss (without its L2 term): along
/// the top eigenvector to lambda_max, so that each example's share of the sharpness is known.
/// </summary>
/// <param name="Losses"><c>l_i</c>, the loss of the row alone, in the order of the data.</param>
/// <param name="Slopes"><c>g_i^T v</c>.</param>
/// <param name="Curvatures"><c>v^T H_i v</c>.</param>
/// <param name="Shares">Weights p_i in the objective, <c>L = sum_i p_i l_i</c>: the row's terms over all of them for means (1/N as a rule), 1 for sums.</param>
public sealed record ExampleCurvature(IReadOnlyList<double> Losses, IReadOnlyList<double> Slopes, IReadOnlyList<double> Curvatures, IReadOnlyList<double> Shares)
{
    /// <summary><c>v^T H v = sum_i p_i v^T H_i v</c>.</summary>
    public double Total => Curvatures.Zip(Shares, (c, p) => c * p).Sum();

    /// <summary>Measures all examples. A pass with three derivatives, and memory for their graphs of one batch.</summary>
    /// <param name="objective">A split objective (<see cref="Objective.IsSplit"/>) in whose model rows do not see each other: eval mode.</param>
    /// <param name="direction">v, <c>[P]</c>; a unit vector makes curvatures of it.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">The objective is not split, a wrong shape, or an operator without a third derivative.</exception>
    /// <exception cref="NonDeterministicException">The model draws random numbers: an example has no fixed loss.</exception>
    /// <exception cref="NonFiniteException">A number is NaN or infinite; the message names the example.</exception>
    public static ExampleCurvature Along(Objective objective, Tensor direction, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        objective.RequireSplit("The curvature of single examples").RequireOneRank("The curvature of single examples", "they are told by their rows").EnsureTwiceDifferentiable();
        objective.EnsureDeterministic();
        using DisposeScope scope = NewDisposeScope();
        IReadOnlyList<Tensor> v = objective.Parameters.Split(direction.detach());
        List<double> losses = [], slopes = [], curvatures = [], terms = [];
        foreach (ObjectiveBatch batch in objective.Pass(cancellation))
        {
            using DisposeScope inner = NewDisposeScope();
            using IDisposable grad = enable_grad();
            (Tensor l, double[] t) = ExampleLosses.Of(batch.Split!);
            (Tensor s, Tensor c) = Gradients.AlongDirection(l, v, objective.Parameters.Parameters);
            terms.AddRange(t);
            losses.AddRange(Numbers(l));
            slopes.AddRange(Numbers(s));
            curvatures.AddRange(Numbers(c));
            progress?.Report(new ProductProgress("examples", losses.Count, losses.Count));
        }

        int bad = Enumerable.Range(0, losses.Count).FirstOrDefault(i => !double.IsFinite(losses[i] + slopes[i] + curvatures[i]), -1);
        if (bad >= 0)
        {
            throw new NonFiniteException($"The loss, slope or curvature of example {bad} is NaN or infinite. Leave it out, or use float64.");
        }

        double all = objective.Reduction == Reduction.Mean ? terms.Sum() : 1;
        return new ExampleCurvature(losses, slopes, curvatures, [.. terms.Select(t => t / all)]);
    }

    private static double[] Numbers(Tensor values) => values.detach().to(ScalarType.Float64).cpu().data<double>().ToArray();
}
