using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// The curvature that stochastic gradient descent meets along its own steps: <c>E_B [ g_B^T H_B g_B / |g_B|^2 ]</c>, gradient and Hessian of one mini-batch, the objective's L2 term included. Training at a constant rate eta
/// drives it to <c>2 / eta</c> while lambda_max of the full loss stays below (Andreyev and Beneventano 2024, Edge of Stochastic Stability, arXiv:2412.20553).
/// </summary>
/// <param name="MeanOfRatios">The mean over batches, the batch sharpness; its standard error is over the batches, drawn independently.</param>
/// <param name="RatioOfMeans"><c>E[g_B^T H_B g_B] / E|g_B|^2</c>, in which batches count by their gradient; its standard error by the delta method.</param>
public sealed record BatchSharpness(Estimate MeanOfRatios, Estimate RatioOfMeans)
{
    /// <summary>Measures over the objective's batches: a fresh Hessian-vector product a batch.</summary>
    /// <param name="objective">Its batches are those of the training; model in the mode that training has.</param>
    /// <param name="batches">At most so many, the first ones.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">Below one batch.</exception>
    /// <exception cref="NoSecondDerivativeException">The model cannot be differentiated twice.</exception>
    /// <exception cref="NonFiniteException">A product is NaN or infinite, and the message names the batch; or every gradient is zero, and each ratio 0/0.</exception>
    public static BatchSharpness Of(
        Objective objective, int batches = int.MaxValue, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (batches < 1)
        {
            throw new CurvatureException($"Batch sharpness takes at least one batch; got {batches}.");
        }

        objective.RequireOneRank("Batch sharpness", "it is a mean over single batches, with the error of their spread").EnsureTwiceDifferentiable();
        List<(double Curvature, double Square)> all = [];
        int products = 0;
        foreach (ObjectiveBatch batch in objective.Pass(cancellation).Take(batches))
        {
            using DisposeScope scope = NewDisposeScope();
            (double curvature, double square) = Measure(objective, batch);
            if (!double.IsFinite(curvature) || !double.IsFinite(square))
            {
                throw new NonFiniteException($"The gradient of batch {batch.Index}, or the curvature along it, is NaN or infinite.");
            }

            if (square > 0)
            {
                all.Add((curvature, square));
            }

            products++;
            progress?.Report(new ProductProgress("batch sharpness", products, batches == int.MaxValue ? products : batches)); // how many there are shows at their end
        }

        return all.Count > 0
            ? new BatchSharpness(Estimate.FromSamples([.. all.Select(b => b.Curvature / b.Square)], products), Ratio(all, products))
            : throw new NonFiniteException("The gradient of every batch is zero: there is no direction to measure the curvature along, and the batch sharpness is 0/0.");
    }

    /// <summary><c>g_B^T H_B g_B</c> and <c>|g_B|^2</c>.</summary>
    private static (double Curvature, double Square) Measure(Objective objective, ObjectiveBatch batch)
    {
        IReadOnlyList<Tensor> theta = objective.Parameters.Parameters;
        Tensor?[] gradient;
        using (enable_grad())
        {
            gradient = Gradients.Of(batch.Loss(), theta, createGraph: true);
        }

        using IDisposable noGrad = no_grad();
        Tensor[] g = [.. gradient.Select((part, i) => part?.detach().clone() ?? zeros_like(theta[i]))];
        if (objective.L2 != 0)
        {
            for (int i = 0; i < g.Length; i++)
            {
                g[i].add_(theta[i].detach(), alpha: objective.L2);
            }
        }

        // The L2 term's Hessian is a multiple of the identity.
        Tensor?[] product = Gradients.VectorJacobianProduct(gradient, g, theta, keepGraph: false);
        double[] dots = Precision.Dots([.. g.Select(part => (part, part)), .. g.Zip(product).Where(pair => pair.Second is not null).Select(pair => (pair.First, pair.Second!))]);
        (double square, double curvature) = (dots[..g.Length].Sum(), dots[g.Length..].Sum());
        return (curvature + (objective.L2 * square), square);
    }

    private static Estimate Ratio(List<(double Curvature, double Square)> all, int products)
    {
        double n = all.Count, mean = all.Average(b => b.Square), ratio = all.Average(b => b.Curvature) / mean;
        double residual = all.Sum(b => Math.Pow(b.Curvature - (ratio * b.Square), 2));
        return new Estimate(ratio, n > 1 ? Math.Sqrt(residual / (n - 1) / n) / mean : double.NaN, products, all.Count);
    }
}
