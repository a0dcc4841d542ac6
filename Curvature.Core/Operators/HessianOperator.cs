using Curvature.Objectives;
using Curvature.Tangents;
using Curvature.Tensors;
using TorchSharp;
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
/// Quadratic forms (<see cref="LinearOperator.QuadraticForms"/>), of which traces are made, need no product of a weight's size: where the model can be cut at its linear layers they are propagated layer by layer, the
/// R-operator of the same paper, at about half the cost of a product on a kept graph; <see cref="FormsObstacle"/> says where not. They are exact too.
/// </para>
/// <para>
/// Layers that are piecewise linear (ReLU, max pooling) have the second derivative that automatic differentiation gives them: 0 at the kinks.
/// </para>
/// </summary>
public sealed class HessianOperator : CurvatureOperator
{
    private readonly ModelCuts? _cuts;
    private bool _byDifferences;
    private int? _triedMode;

    /// <param name="objective">The loss; stays the caller's.</param>
    /// <param name="options">Null for the defaults.</param>
    public HessianOperator(Objective objective, CurvatureOptions? options = null) : base(objective, options)
    {
        if (objective.Model is { } model && Options.FormsByLayers)
        {
            _cuts = new ModelCuts(objective.Parameters, model);
        }
        else
        {
            FormsObstacle = Options.FormsByLayers ? "the objective is no C# model with a loss apart (Objective.Supervised): its layers cannot be looked at" : $"{nameof(CurvatureOptions.FormsByLayers)} is false";
        }
    }

    /// <summary>
    /// Whether products are central differences of the gradient, because the model cannot be differentiated twice and
    /// <see cref="CurvatureOptions.FiniteDifferenceFallback"/> allowed it. Known after the first product.
    /// </summary>
    public bool UsesFiniteDifferences => _byDifferences;

    /// <summary>
    /// Why quadratic forms are taken from whole products, as a clause; null where they go layer by layer. Known after the first of them, when the model was tried on two rows: cut at its layers it must have the gradient that it
    /// has whole. What is not cut (closures, TorchScript, models without linear layers, that differentiate themselves, or whose hooks change a layer's output) has the same forms at a product each; so has a batch in which alone a hook changes one.
    /// </summary>
    public string? FormsObstacle { get; private set; }

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

    /// <inheritdoc/>
    private protected override bool HasFormsOfItsOwn()
    {
        if (_cuts is not null && _triedMode != Objective.Mode)
        {
            FormsObstacle = Objective.FromHolder(
                () =>
                {
                    Prepare();
                    return [_byDifferences ? "the model cannot be differentiated twice" : CutTrial.Obstacle(Objective, _cuts)];
                },
                Options.Cancellation)[0];
            _triedMode = Objective.Mode;
        }

        return FormsObstacle is null;
    }

    /// <inheritdoc/>
    private protected override BatchLinearization LinearizeForForms(ObjectiveBatch batch) => CutGraph.Of(_cuts!, batch.Loss) is { } graph ? new CutLinearization(graph) : new GradientGraph(batch, Parameters);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _cuts?.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>The gradient's graph, cut at its layers, for forms.</summary>
    private sealed class CutLinearization(CutGraph graph) : BatchLinearization
    {
        public override IReadOnlyList<Tensor?> Apply(IReadOnlyList<Tensor> v) => throw new CurvatureException("A graph that was cut has quadratic forms and no products.");

        internal override Tensor Forms(Tensor v) => graph.Forms(v);

        protected override void Dispose(bool disposing)
        {
            graph.Dispose();
            base.Dispose(disposing);
        }
    }

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

        internal override Tensor Forms(Tensor v)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor products = stack(Enumerable.Range(0, (int)v.shape[0]).Select(j => FormsOf(_parameters.Split(v.select(0, j)))), 1);
            return products.MoveToOuterDisposeScope();
        }

        /// <summary><c>v_i^T (H v)_i</c> of each parameter i, float64.</summary>
        private Tensor FormsOf(IReadOnlyList<Tensor> v)
        {
            using DisposeScope scope = NewDisposeScope();
            return stack(v.Zip(Apply(v), (x, product) => (product is null ? zeros_like(x) : x.mul(product)).sum(ScalarType.Float64))).MoveToOuterDisposeScope();
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
