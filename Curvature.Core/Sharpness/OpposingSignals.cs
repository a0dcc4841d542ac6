using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// Examples whose losses one step moves the most, up and down, and whether they pull against each other: at a sharp moment a few outliers with large features that the labels contradict carry the top of the spectrum, and
/// a step that serves one group costs the other (Rosenfeld and Risteski 2023, Outliers with Opposing Signals Have an Outsized Effect on Neural Network Optimization, arXiv:2311.04163). Two such groups have gradients of cosine
/// near -1, both along the top eigenvector v.
/// </summary>
public sealed record OpposingSignals
{
    /// <summary>Rows whose loss rises the most, the first the most; fewer than asked for where fewer rise.</summary>
    public required IReadOnlyList<int> Increases { get; init; }

    /// <summary>Rows whose loss falls the most.</summary>
    public required IReadOnlyList<int> Decreases { get; init; }

    /// <summary><c>l_i(theta + u) - l_i(theta)</c> of every row, in the order of the data.</summary>
    public required IReadOnlyList<double> Changes { get; init; }

    /// <summary>Slopes, curvatures and shares of every row along v, at theta.</summary>
    public required ExampleCurvature Examples { get; init; }

    /// <summary><c>cos(g_+, g_-)</c> of the two groups' gradients at theta; NaN where a group is empty or its gradient zero.</summary>
    public required double Cosine { get; init; }

    /// <summary><c>g_+^T v / |g_+|</c>, of the group whose loss rises.</summary>
    public required double IncreaseAlong { get; init; }

    /// <summary><c>g_-^T v / |g_-|</c>, of the group whose loss falls.</summary>
    public required double DecreaseAlong { get; init; }

    /// <summary>The share of <c>v^T H v</c> that a group of rows carries; of all rows it is 1. Above 1 where others curve downwards.</summary>
    public double ShareOf(IEnumerable<int> rows) => rows.Sum(i => Examples.Shares[i] * Examples.Curvatures[i]) / Examples.Total;

    /// <summary>Looks at one step. Three passes: losses after it, then at theta losses with three derivatives, and two gradients.</summary>
    /// <param name="objective">A split objective (<see cref="Objective.IsSplit"/>) in whose model rows do not see each other; its parameters are moved by u and put back bit for bit, whatever happens.</param>
    /// <param name="update">u, <c>[P]</c>, e.g. <c>-eta g</c>.</param>
    /// <param name="direction">v, <c>[P]</c>: the top eigenvector, of length 1.</param>
    /// <param name="count">How many rows a group has.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">The objective is not split, a wrong shape, or no row asked for.</exception>
    /// <exception cref="NonDeterministicException">The model draws random numbers: rows of different passes are matched.</exception>
    /// <exception cref="NonFiniteException">A number is NaN or infinite; the message names the example.</exception>
    public static OpposingSignals Of(Objective objective, Tensor update, Tensor direction, int count = 10, CancellationToken cancellation = default)
    {
        if (count < 1)
        {
            throw new CurvatureException($"A group has at least one row; got {count}.");
        }

        objective.RequireSplit("The losses of single examples").RequireOneRank("What single examples do", "they are told by their rows").EnsureDeterministic();
        double[] after = Perturbation.At(objective, update.detach(), () => Losses(objective, cancellation));
        ExampleCurvature examples = ExampleCurvature.Along(objective, direction, cancellation: cancellation);
        double[] changes = [.. after.Zip(examples.Losses, (end, start) => end - start)];
        int[] order = [.. Enumerable.Range(0, changes.Length).OrderBy(i => changes[i])];
        int[] down = [.. order.Where(i => changes[i] < 0).Take(count)], up = [.. order.Reverse().Where(i => changes[i] > 0).Take(count)];

        using DisposeScope scope = NewDisposeScope();
        (Tensor rising, Tensor falling) = GroupGradients(objective, examples, [.. up], [.. down], cancellation);
        Tensor v = direction.detach();
        double[] dots = Precision.Dots((rising, falling), (rising, rising), (falling, falling), (rising, v), (falling, v));
        return new OpposingSignals
        {
            Increases = up,
            Decreases = down,
            Changes = changes,
            Examples = examples,
            Cosine = dots[0] / Math.Sqrt(dots[1] * dots[2]),
            IncreaseAlong = dots[3] / Math.Sqrt(dots[1]),
            DecreaseAlong = dots[4] / Math.Sqrt(dots[2]),
        };
    }

    private static double[] Losses(Objective objective, CancellationToken cancellation)
    {
        using IDisposable noGrad = no_grad();
        List<double> losses = [];
        foreach (ObjectiveBatch batch in objective.Pass(cancellation))
        {
            using DisposeScope scope = NewDisposeScope();
            losses.AddRange(ExampleLosses.Of(batch.Split!).Losses.to(ScalarType.Float64).cpu().data<double>().ToArray());
        }

        int bad = losses.FindIndex(loss => !double.IsFinite(loss));
        return bad < 0 ? [.. losses] : throw new NonFiniteException($"The loss of example {bad} after the step is {losses[bad]}: take a smaller step.");
    }

    /// <summary>Gradients of the groups' parts of the objective, <c>sum p_i g_i</c>, by two products with the Jacobian of the losses a batch.</summary>
    private static (Tensor Rising, Tensor Falling) GroupGradients(
        Objective objective, ExampleCurvature examples, HashSet<int> up, HashSet<int> down, CancellationToken cancellation)
    {
        ParameterSpace theta = objective.Parameters;
        Tensor rising = zeros(theta.Count, theta.DType, theta.Device), falling = zeros_like(rising);
        int first = 0;
        foreach (ObjectiveBatch batch in objective.Pass(cancellation))
        {
            using DisposeScope scope = NewDisposeScope();
            using IDisposable grad = enable_grad();
            Tensor losses = ExampleLosses.Of(batch.Split!).Losses;
            int count = (int)losses.numel();
            foreach ((HashSet<int> group, Tensor sum) in (ReadOnlySpan<(HashSet<int>, Tensor)>)[(up, rising), (down, falling)])
            {
                double[] weights = [.. Enumerable.Range(first, count).Select(i => group.Contains(i) ? examples.Shares[i] : 0)];
                theta.Accumulate(sum, Gradients.VectorJacobianProduct([losses], [tensor(weights, losses.dtype, losses.device)], theta.Parameters), 1);
            }

            first += count;
        }

        return (rising, falling);
    }
}
