using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// The Hessian of an objective's value in the activations a of one layer (its outputs, or its input), the parameters fixed: <c>H = d^2 L / da^2</c>, <c>[A, A]</c> with A the
/// entries of those activations over all batches, batch after batch, row-major. Block-diagonal with one block for each sample (for each batch,
/// where samples see each other, as in train-mode batch norm), and scaled as the objective is: for a mean over N samples a block is <c>1/N</c>
/// of the sample's own Hessian, so that the trace of H is the mean trace over samples, HAWQ-V2's sensitivity of the layer's activations. The L2 term has no part in it.
/// <para>
/// A hook on the layer puts a leaf in the place of its output, or of its input as this layer alone sees it (what else reads that tensor, a shortcut, sees it as it is), while a batch is evaluated, and is removed again; nothing below the layer is
/// differentiated, so a product costs what a Hessian-vector product of the rest of the network would. Building the operator takes one forward pass.
/// Hooks fire on <c>call</c>, not on <c>forward</c>; TorchScript modules have none and are refused.
/// Dong et al. 2020, HAWQ-V2: Hessian Aware trace-Weighted Quantization of Neural Networks, section 3.3.
/// </para>
/// </summary>
public sealed class ActivationHessianOperator : LinearOperator
{
    private readonly Objective _objective;
    private readonly BatchGraphs _graphs;

    /// <param name="objective">The loss; stays the caller's. Any kind that evaluates <paramref name="model"/>.</param>
    /// <param name="model">The model.</param>
    /// <param name="layer">Path of the layer within the model, as its parameters' names have it; it maps one tensor to one and is called once a batch.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="side">Its outputs or its input.</param>
    /// <exception cref="CurvatureException">No such layer, one that cannot be hooked, one that is not called exactly once a batch, or an input of indices.</exception>
    public ActivationHessianOperator(Objective objective, nn.Module model, string layer, CurvatureOptions? options = null, LayerSide side = LayerSide.Output)
        : this(objective, new Site(Find(model, layer), layer, side), options)
    {
    }

    private ActivationHessianOperator(Objective objective, Site site, CurvatureOptions? options)
        : this(objective, Count(objective, site, options), batch => new ActivationGraph(batch, site), options)
    {
    }

    private ActivationHessianOperator(Objective objective, long activations, Func<ObjectiveBatch, BatchGraph> linearize, CurvatureOptions? options)
        : base(activations, activations, isSymmetric: true, objective.Parameters.DType, objective.Parameters.Device)
    {
        _objective = objective;
        _graphs = new BatchGraphs(objective, options ?? new CurvatureOptions(), linearize);
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V)
    {
        _objective.EnsureTwiceDifferentiable();
        _objective.EnsureDeterministic();
        Tensor rows = V.t().contiguous(), result = zeros(rows.shape, DType, Device);
        long offset = 0;
        _graphs.ForEach(batch =>
        {
            ActivationGraph graph = (ActivationGraph)batch;
            long first = offset, count = graph.Activations.numel();
            offset += count;
            for (long j = 0; offset <= Rows && j < rows.shape[0]; j++)
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor v = rows.select(0, j).narrow(0, first, count).reshape(graph.Activations.shape);
                if (graph.Apply(v) is { } product)
                {
                    result.select(0, j).narrow(0, first, count).copy_(product.reshape(-1));
                }
            }
        });

        return offset == Rows
            ? result.mul_(_graphs.Scale).t()
            : throw new CurvatureException($"The layer had {Rows} activations when this operator was made and has {offset} now: batches must be the same each time.");
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _graphs.Dispose();
        base.Dispose(disposing);
    }

    private static nn.Module<Tensor, Tensor> Find(nn.Module model, string layer)
    {
        (string name, nn.Module module)[] modules = model is jit.ScriptModule
            ? throw new CurvatureException("Activations of a TorchScript module cannot be reached, it has no hooks: load the weights into a C# model.")
            : [.. model.named_modules()];
        nn.Module found = modules.FirstOrDefault(m => m.name == layer).module
            ?? throw new CurvatureException($"The model has no layer '{layer}'. It has: {string.Join(", ", modules.Select(m => m.name))}.");
        return found as nn.Module<Tensor, Tensor>
            ?? throw new CurvatureException($"The layer '{layer}' ({found.GetType().Name}) does not map one tensor to one tensor.");
    }

    private static long Count(Objective objective, Site site, CurvatureOptions? options)
    {
        using IDisposable noGrad = no_grad();
        long count = 0;
        foreach (ObjectiveBatch batch in objective.RequireOneRank("An activation Hessian", "its blocks are those of single samples").Pass(options?.Cancellation ?? default))
        {
            using DisposeScope scope = NewDisposeScope();
            using Capture capture = new(site);
            batch.Loss();
            count += capture.Only().numel();
        }

        return count;
    }

    /// <summary>A batch's activations, and the loss's gradient in them with its graph.</summary>
    private sealed class ActivationGraph : BatchGraph
    {
        private readonly Tensor? _gradient;

        public ActivationGraph(ObjectiveBatch batch, Site site)
        {
            using Capture capture = new(site);
            Tensor loss = batch.Loss();
            _gradient = Gradients.Of(loss, [capture.Only()], createGraph: true)[0]?.DetachFromDisposeScope();
            Activations = capture.Taken();
        }

        public Tensor Activations { get; }

        public Tensor? Apply(Tensor v) => Gradients.VectorJacobianProduct([_gradient], [v], [Activations])[0];

        protected override void Dispose(bool disposing)
        {
            _gradient?.Dispose();
            Activations.Dispose();
            base.Dispose(disposing);
        }
    }

    /// <summary>Where the activations are.</summary>
    private sealed record Site(nn.Module<Tensor, Tensor> Module, string Layer, LayerSide Side);

    /// <summary>Puts a leaf in the place of a module's output or input for as long as it lives.</summary>
    private sealed class Capture : IDisposable
    {
        private readonly List<Tensor> _leaves = [];
        private readonly Site _site;
        private readonly Action _remove;

        public Capture(Site site)
        {
            _site = site;
            _remove = site.Side == LayerSide.Output
                ? site.Module.register_forward_hook((_, _, output) => Leaf(output)).remove
                : site.Module.register_forward_pre_hook((_, input) => Leaf(input)).remove;
        }

        public Tensor Only() => _leaves.Count == 1
            ? _leaves[0]
            : throw new CurvatureException(
                $"The layer '{_site.Layer}' was called {_leaves.Count} times on a batch; its activations are defined for exactly one call. Hooks fire on call(), not on forward().");

        /// <summary>The same, from now on the caller's.</summary>
        public Tensor Taken()
        {
            Tensor leaf = Only();
            _leaves.Clear();
            return leaf;
        }

        public void Dispose()
        {
            _remove();
            _leaves.ForEach(leaf => leaf.Dispose());
        }

        private Tensor Leaf(Tensor activations)
        {
            if (!activations.is_floating_point())
            {
                throw new CurvatureException($"The input of layer '{_site.Layer}' is {activations.dtype}: there are no derivatives in indices. Ask for its outputs.");
            }

            Tensor leaf = activations.detach().requires_grad_().DetachFromDisposeScope(); // a model's own scope ends with its forward pass
            _leaves.Add(leaf);
            return leaf.alias(); // a container may dispose of what it was handed
        }
    }
}
