using Curvature.Data;
using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>Writes gradients into a window, row by row, and refuses what is not finite.</summary>
internal static class BatchGradients
{
    /// <summary>The rows of a matrix <c>[m, d]</c>.</summary>
    /// <exception cref="NonFiniteException">A row is NaN or infinite.</exception>
    public static void Write(Tensor gradients, GradientPages pages)
    {
        using IDisposable noGrad = no_grad();
        for (long j = 0; j < pages.Rows; j++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor row = gradients.select(0, j).detach();
            RequireFinite(row, j);
            pages.Row(j).copy_(row);
        }
    }

    /// <summary>
    /// Gradients of the first batches that have terms, as <c>sqrt(m w_b / sum w) g_b</c>: then <c>(1/m) sum g g^T</c> is the mean over loss terms, however ragged the
    /// batches (for sums of losses <c>sqrt(m) g_b</c>).
    /// </summary>
    /// <param name="objective">Whose batches.</param>
    /// <param name="weights">w_b of those batches, one a row of the window.</param>
    /// <param name="mask">Boolean <c>[d]</c>, false where they count as zero; null: nowhere.</param>
    /// <param name="pages">Receives them.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public static void Write(Objective objective, double[] weights, Tensor? mask, GradientPages pages, CancellationToken cancellation)
    {
        objective.EnsureDifferentiable();
        double total = objective.Reduction == Reduction.Mean ? weights.Sum() : 1;
        long j = 0;
        foreach (ObjectiveBatch batch in objective.Pass(cancellation))
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor g = zeros(pages.Columns, pages.DType, pages.Device);
            using (enable_grad())
            {
                objective.Accumulate(g, Gradients.Of(batch.Loss(), objective.Parameters.Parameters, createGraph: false), Math.Sqrt(pages.Rows * weights[j] / total));
            }

            objective.CheckFinite(g, $"gradient of batch {batch.Index}");
            pages.Row(j).copy_(mask is null ? g : g.mul(mask));
            if (++j == pages.Rows)
            {
                return;
            }
        }
    }

    /// <summary>Refuses a gradient that is not finite.</summary>
    public static void RequireFinite(Tensor gradient, long index)
    {
        if (!Finite.Everywhere(gradient))
        {
            throw new NonFiniteException(
                $"Gradient {index} holds NaN or infinity. Leave the batch out, lower the learning rate or use float64: one such row would spoil every product.");
        }
    }
}
