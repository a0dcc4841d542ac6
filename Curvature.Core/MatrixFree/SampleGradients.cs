using Curvature.Layers;
using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>Writes the gradients of single samples into a window, from one backward pass a batch.</summary>
internal static class SampleGradients
{
    /// <summary>Rows of the data and its loss terms, by one forward pass.</summary>
    public static (long Samples, double Terms) Count(Objective objective, CancellationToken cancellation)
    {
        using IDisposable noGrad = no_grad();
        long samples = 0;
        double terms = 0;
        foreach (ObjectiveBatch batch in objective.RequireSplit("A window of samples").RequireOneRank("A window of gradients", "its rows are those of single samples").Pass(cancellation))
        {
            using DisposeScope scope = NewDisposeScope();
            samples += batch.Split!.Evaluate().Outputs.shape[0];
            terms += batch.Terms;
        }

        return (samples, terms);
    }

    /// <summary>
    /// Gradients <c>sqrt(m c_s / sum c) g_s</c>, c_s a sample's class weight (for sums <c>sqrt(m) g_s</c>): then <c>(1/m) sum g g^T</c> is the empirical Fisher matrix.
    /// </summary>
    /// <param name="objective">A split objective with one label a row.</param>
    /// <param name="model">The model that it evaluates.</param>
    /// <param name="terms">All loss terms.</param>
    /// <param name="pages">Receives them, a row a sample.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    public static void Write(Objective objective, nn.Module model, double terms, GradientPages pages, CancellationToken cancellation)
    {
        objective.EnsureDifferentiable();
        PerSampleGradients gradients = new(objective, model);
        double scale = Math.Sqrt(objective.Reduction == Reduction.Mean ? pages.Rows / terms : pages.Rows);
        long row = 0;
        using IDisposable noGrad = no_grad(); // visits turn gradients on where they need them
        pages.Clear();
        foreach (ObjectiveBatch batch in objective.Pass(cancellation))
        {
            long samples = 0;
            gradients.Visit(batch, objective.Reduction == Reduction.Mean ? batch.Terms : 1, ObservedGradient, (_, parameter, uses) =>
            {
                using DisposeScope scope = NewDisposeScope();
                samples = uses[0].Use.Samples;
                Tensor sum = uses[0].Use.Gradients(uses[0].G, 0, samples);
                foreach ((ParameterUse use, Tensor g) in uses.Skip(1))
                {
                    sum = sum.add(use.Gradients(g, 0, samples));
                }

                pages.Set(row, objective.Parameters.Offset(parameter), sum.mul(scale));
            });
            for (long j = row; j < row + samples; j++)
            {
                using DisposeScope scope = NewDisposeScope();
                BatchGradients.RequireFinite(pages.Row(j), j);
            }

            row += samples;
        }
    }

    private static IEnumerable<Tensor> ObservedGradient(OutputCurvature curvature) => curvature.Positions == 1
        ? [curvature.ObservedGradient()]
        : throw new CurvatureException(
            $"A row of the outputs has {curvature.Positions} labels, each a sample with a gradient of its own, and only their sum can be had. Take MfacInverse.FromBatches.");
}
