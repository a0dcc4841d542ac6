using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// How far the gradients of an objective's batches agree: <c>|mean_b g_b|^2 / mean_b |g_b|^2</c>, batches weighted by their loss terms. 1 where all are one vector, about <c>1 / n</c> where n of them are orthogonal, 0 where they cancel.
/// With one row a batch it is that of the examples (Chatterjee and Zielinski 2020, Making Coherence Out of Nothing At All: Measuring the Evolution of Gradient Alignment, arXiv:2008.01217, whose alpha is
/// <see cref="Helped"/>).
/// </summary>
/// <param name="Value">The ratio.</param>
/// <param name="Batches">n, batches that count.</param>
public sealed record GradientCoherence(double Value, int Batches)
{
    /// <summary><c>n</c> times the ratio: how many batches a step along one batch's gradient helps as much as that one, on average; 1 where they are orthogonal, n where they agree.</summary>
    public double Helped => Value * Batches;

    /// <summary>Measures over the objective's batches, a gradient each; without its L2 term.</summary>
    /// <param name="objective">Whose batches.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">Every gradient is zero.</exception>
    /// <exception cref="NonDeterministicException">The model draws random numbers, which would count as disagreement.</exception>
    /// <exception cref="NonFiniteException">A gradient is NaN or infinite; the message names the batch.</exception>
    public static GradientCoherence Of(Objective objective, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        ParameterSpace theta = objective.Parameters;
        using DisposeScope scope = NewDisposeScope();
        Tensor sum = zeros(theta.Count, theta.DType, theta.Device);
        (double terms, double squares, int count) = (0, 0, 0);
        objective.Together(() => (terms, squares, count) = AddUp(objective, sum, progress, cancellation), cancellation);
        objective.Ranks.Sum(sum);
        (terms, squares, count) = (objective.AllTerms(terms), objective.Ranks.Sum(squares), (int)objective.Ranks.Sum(count));
        return squares > 0
            ? new GradientCoherence(Math.Pow(Precision.Norm(sum), 2) / (terms * squares), count)
            : throw new CurvatureException("The gradient of every batch is zero: there is nothing to agree or disagree.");
    }

    /// <summary>Adds this rank's gradients up, weighted by their terms; gives the terms, the weighted squares and how many batches there were.</summary>
    private static (double Terms, double Squares, int Count) AddUp(Objective objective, Tensor sum, IProgress<ProductProgress>? progress, CancellationToken cancellation)
    {
        objective.EnsureDeterministic();
        ParameterSpace theta = objective.Parameters;
        double terms = 0, squares = 0;
        int count = 0;
        foreach (ObjectiveBatch batch in objective.PassOfShard(cancellation))
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor?[] g;
            using (enable_grad())
            {
                g = Gradients.Of(batch.Loss(), theta.Parameters, createGraph: false);
            }

            double square = g.OfType<Tensor>().Select(part => (part.detach(), part.detach())).ToArray() is { Length: > 0 } pairs ? Precision.Dots(pairs).Sum() : 0;
            if (!double.IsFinite(square))
            {
                throw new NonFiniteException($"The gradient of batch {batch.Index} is NaN or infinite.");
            }

            theta.Accumulate(sum, g, batch.Terms);
            (terms, squares, count) = (terms + batch.Terms, squares + (batch.Terms * square), count + 1);
            progress?.Report(new ProductProgress("gradients", count, count));
        }

        return (terms, squares, count);
    }
}
