using Curvature.Objectives;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// The uncentred covariance of mini-batch gradients, <c>C = sum_b w_b g_b g_b^T / sum_b w_b</c> with w_b the loss terms of batch b, so <c>(1/B) sum_b g_b g_b^T</c>
/// for batches of one size (mean reduction; <c>sum_b g_b g_b^T</c> for sums), <c>[P, P]</c>: symmetric, positive semi-definite, of rank B at most. The
/// batches are those the objective was given: with one row each it is the empirical Fisher matrix. g_b is the gradient of the batch's loss without
/// the L2 term, and no <c>lambda I</c> is added. Any objective will do.
/// <para>Cost: one pass of gradients, then two passes over B vectors [P] a product; the gradients are kept within the graph memory.</para>
/// </summary>
public sealed class GradientCovarianceOperator : CurvatureOperator
{
    /// <param name="objective">The loss and the mini-batches; stays the caller's.</param>
    /// <param name="options">Null for the defaults.</param>
    public GradientCovarianceOperator(Objective objective, CurvatureOptions? options = null) : base(objective, options)
    {
    }

    /// <inheritdoc/>
    protected override double Lambda => 0;

    /// <inheritdoc/>
    protected override BatchLinearization Linearize(ObjectiveBatch batch) => new BatchGradient(batch, Parameters);

    /// <summary>A batch's gradient, kept as <c>sqrt(weight) g_b</c>.</summary>
    private sealed class BatchGradient : BatchLinearization
    {
        private readonly Tensor?[] _gradient;

        public BatchGradient(ObjectiveBatch batch, ParameterSpace parameters)
        {
            Tensor?[] gradient = Gradients.Of(batch.Loss(), parameters.Parameters, createGraph: false);
            using IDisposable noGrad = no_grad();

            // The loss, and so its gradient, holds the weight once. Two parts may be one tensor: not in place.
            _gradient = [.. gradient.Select(part => part?.mul(1 / Math.Sqrt(batch.Weight)).DetachFromDisposeScope())];
        }

        public override IReadOnlyList<Tensor?> Apply(IReadOnlyList<Tensor> v)
        {
            using IDisposable noGrad = no_grad();
            Tensor[] products = [.. _gradient.Zip(v).Where(pair => pair.First is not null).Select(pair => pair.First!.mul(pair.Second).sum())];
            if (products.Length == 0)
            {
                return _gradient;
            }

            Tensor inner = stack(products).sum();
            return [.. _gradient.Select(part => part?.mul(inner))];
        }

        protected override void Dispose(bool disposing)
        {
            foreach (Tensor? part in _gradient)
            {
                part?.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
