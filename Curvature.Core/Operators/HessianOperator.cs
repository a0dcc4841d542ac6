using Curvature.Objectives;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// The Hessian <c>H = d^2 L / dtheta^2</c> of an objective, <c>[P, P]</c>: symmetric, in general indefinite.
/// <c>H v = d/dtheta (g(theta)^T v)</c> by differentiating the gradient's graph once more (Pearlmutter 1994, Fast Exact Multiplication by the
/// Hessian; reverse over reverse). Exact up to rounding.
/// <para>
/// Cost of a product: about 3 gradients with a fresh graph, 1.5 to 2.5 on a kept one (dense layers to transformers); convolutions with
/// batch norm about twice that. Memory: the graph of the gradient, a few times that of the gradient itself.
/// </para>
/// <para>
/// Layers that are piecewise linear (ReLU, max pooling) have the second derivative that automatic differentiation gives them: 0 at the kinks.
/// </para>
/// </summary>
public sealed class HessianOperator : CurvatureOperator
{
    private bool _byDifferences;

    /// <param name="objective">The loss; stays the caller's.</param>
    /// <param name="options">Null for the defaults.</param>
    public HessianOperator(Objective objective, CurvatureOptions? options = null) : base(objective, options)
    {
    }

    /// <summary>
    /// Whether products are central differences of the gradient, because the model cannot be differentiated twice and
    /// <see cref="CurvatureOptions.FiniteDifferenceFallback"/> allowed it. Known after the first product.
    /// </summary>
    public bool UsesFiniteDifferences => _byDifferences;

    /// <inheritdoc/>
    protected override void Prepare()
    {
        // Before anything else evaluates the model: a TorchScript optimiser that spoils second derivatives is seen only while it sets in.
        try
        {
            if (!_byDifferences)
            {
                Objective.EnsureTwiceDifferentiable();
            }
        }
        catch (CurvatureException error) when (Options.FiniteDifferenceFallback && error is NoSecondDerivativeException or NonDeterministicException)
        {
            _byDifferences = true;
        }

        base.Prepare();
    }

    /// <inheritdoc/>
    protected override BatchLinearization Linearize(ObjectiveBatch batch) =>
        _byDifferences ? new FiniteDifferences(batch, Parameters) : new GradientGraph(batch, Parameters);

    /// <summary>The gradient with its graph.</summary>
    private sealed class GradientGraph : BatchLinearization
    {
        private readonly Tensor?[] _gradient;
        private readonly ParameterSpace _parameters;

        public GradientGraph(ObjectiveBatch batch, ParameterSpace parameters)
        {
            _parameters = parameters;
            _gradient = Gradients.Of(batch.Loss(), parameters.Parameters, createGraph: true);
            foreach (Tensor? part in _gradient)
            {
                part?.DetachFromDisposeScope();
            }
        }

        // H v = (dg/dtheta)^T v, the Hessian being symmetric.
        public override IReadOnlyList<Tensor?> Apply(IReadOnlyList<Tensor> v) =>
            Gradients.VectorJacobianProduct(_gradient, v, _parameters.Parameters);

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
