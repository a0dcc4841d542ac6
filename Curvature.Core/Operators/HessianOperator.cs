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
/// Cost of a product: about 3 gradients with a fresh graph, 1.5 to 2.5 on a kept one. Memory: the graph of the gradient, a few times that of the gradient itself.
/// </para>
/// <para>
/// Where the model can be cut at its layers (<see cref="LayersObstacle"/> says where not), products of convolutional networks, and the quadratic forms of all (<see cref="LinearOperator.QuadraticForms"/>), of which traces
/// are made, are propagated layer by layer: the R-operator of the same paper, with automatic differentiation between the layers. Each convolution is then one of the engine's fast kernels, and a form takes no product of a
/// weight's size. They are exact too. Where no graph is ever kept (<see cref="CurvatureOptions.GraphMemory"/> = 0) single products are taken whole: they cost less.
/// </para>
/// <para>
/// While a graph is cut, the model's own layers carry hooks: what else evaluates the same model at that time, such as another operator on another thread, is disturbed by them and disturbs them. One thread at a time for each model.
/// </para>
/// <para>
/// Layers that are piecewise linear (ReLU, max pooling) have the second derivative that automatic differentiation gives them: 0 at the kinks.
/// </para>
/// </summary>
public sealed class HessianOperator : CurvatureOperator
{
    private readonly ModelCuts? _cuts;
    private bool _byDifferences;
    private bool? _isAnyGraphKept;
    private int? _triedMode;

    /// <param name="objective">The loss; stays the caller's.</param>
    /// <param name="options">Null for the defaults.</param>
    public HessianOperator(Objective objective, CurvatureOptions? options = null) : base(objective, options)
    {
        if (objective.Model is { } model && Options.ByLayers)
        {
            _cuts = new ModelCuts(objective.Parameters, model);
        }
        else
        {
            LayersObstacle = Options.ByLayers ? "the objective is no C# model with a loss apart (Objective.Supervised): its layers cannot be looked at" : $"{nameof(CurvatureOptions.ByLayers)} is false";
        }
    }

    /// <summary>
    /// Whether products are central differences of the gradient, because the model cannot be differentiated twice and
    /// <see cref="CurvatureOptions.FiniteDifferenceFallback"/> allowed it. Known after the first product.
    /// </summary>
    public bool UsesFiniteDifferences => _byDifferences;

    /// <summary>
    /// Why products and quadratic forms are taken from the whole graph, as a clause; null where the model is cut at its layers: linear ones, convolutions padded with zeros, batch norms in evaluation mode. Known after the first
    /// form (of a convolutional network: product), when the model is tried on two rows: cut it must have the gradient that it has whole. Closures, TorchScript, models without such layers, that differentiate themselves, or whose
    /// hooks change a layer's output have the same numbers, at a product each. A hook that changes some batches only, or is added later, is seen when a graph is made there: by a look at a weighted mean of some of the rows that each layer
    /// returns (all of them, where they are vectors of moderate length), which the host does not wait for. What moves that mean by less than 1e-9 of its largest entry is not seen, in single precision less than 1e-4, and there on a
    /// GPU, where convolutions may round their factors to 10 bits, less than 1e-2: outputs that a hook rounds to 8 bits may pass for unchanged on a GPU, and so may one changed row of hundreds.
    /// </summary>
    public string? LayersObstacle { get; private set; }

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
    private protected override bool GoesByLayers(bool products, long vectors)
    {
        // Whole, products of dense layers and attention cost as little, and so do single products where no graph is ever kept.
        if (products && (_cuts is not { HasConvolutions: true } || (vectors == 1 && !IsAnyGraphKept)))
        {
            return false;
        }

        if (_cuts is not null && _triedMode != Objective.Mode)
        {
            string?[] found = Objective.FromHolder(
                () =>
                {
                    Prepare();
                    string? obstacle = _byDifferences ? "the model cannot be differentiated twice" : CutTrial.Obstacle(Objective, _cuts);
                    return [obstacle, _cuts.WritesInPlace ? nameof(ModelCuts.WritesInPlace) : null];
                },
                Options.Cancellation);
            (LayersObstacle, _cuts.WritesInPlace) = (found[0], found[1] is not null);
            _triedMode = Objective.Mode;
        }

        return LayersObstacle is null;
    }

    /// <inheritdoc/>
    private protected override void LeaveLayers() => LayersObstacle = "a hook changes what a layer returns in some batches, or what is propagated by layers overflows";

    /// <inheritdoc/>
    private protected override BatchLinearization LinearizeByLayers(ObjectiveBatch batch) => CutGraph.Of(_cuts!, batch.Loss) is { } graph ? new CutLinearization(graph) : new GradientGraph(batch, Parameters);

    /// <summary>
    /// Whether any rank may keep graphs. Memory is each rank's own, while ranks that do not choose one kind of graph would go on to other sums: asked once, one number over the ranks.
    /// </summary>
    private bool IsAnyGraphKept => _isAnyGraphKept ??= Objective.SumOverRanks(() => KeepsGraphs ? 1.0 : 0.0, Options.Cancellation) > 0;

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _cuts?.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>The gradient's graph, cut at its layers.</summary>
    private sealed class CutLinearization(CutGraph graph) : BatchLinearization
    {
        public override IReadOnlyList<Tensor?> Apply(IReadOnlyList<Tensor> v) => graph.Product(v);

        internal override Tensor Forms(Tensor v) => graph.Forms(v);

        internal override Tensor? Question() => graph.Question();

        internal override void Answer(IReadOnlyList<bool> answers) => graph.Answer(answers);

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
