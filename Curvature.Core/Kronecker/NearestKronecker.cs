using Curvature.Layers;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// Layer blocks that are the Kronecker products nearest to the true ones in the Frobenius norm, <c>min |sum_n vec X_n vec X_n^T - G (x) A|_F</c> for each layer and group, X_n sample n's gradient of
/// the layer's matrix (for the gradients of <see cref="KfacOptions.Gradients"/>): <c>[P, P]</c>, symmetric, positive semi-definite. What KFAC would be with the mean of products in place of the product
/// of means.
/// <para>
/// Starting from KFAC's A, passes over the data alternate <c>G = sum_n X_n A X_n^T / |A|^2</c> and <c>A = sum_n X_n^T G X_n / |G|^2</c> (<see cref="KroneckerPair"/>). Each is the least-squares factor for
/// the other, so the error falls with every pass, and after the first it is at most KFAC's. Embeddings and layers without Kronecker factors stay as in <see cref="KfacOperator"/>.
/// </para>
/// <para>Cost: a pass has KFAC's backward passes and, in addition, two matrix products a sample of the layer's size. Van Loan and Pitsianis 1993; Koroko et al. 2022 for KFAC.</para>
/// </summary>
public sealed class NearestKronecker : LayerwiseOperator
{
    private NearestKronecker(ParameterSpace parameters, RegistrationReport registration, List<(LayerBlock Block, IReadOnlyList<int> Indices)> blocks)
        : base(parameters, registration, blocks)
    {
    }

    /// <summary>Makes the operator by one pass for KFAC's factors and <paramref name="passes"/> more.</summary>
    /// <param name="objective">A split objective (<see cref="Objective.IsSplit"/>).</param>
    /// <param name="model">The model that it evaluates.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="passes">Factors made anew, G first, at least 1. Default 4.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <exception cref="CurvatureException">As <see cref="KfacFactors.Of"/>, or fewer than one pass.</exception>
    public static NearestKronecker Of(
        Objective objective,
        nn.Module model,
        KfacOptions? options = null,
        int passes = 4,
        IProgress<ProductProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        if (passes < 1)
        {
            throw new CurvatureException($"The nearest Kronecker product takes at least one pass; got {passes}.");
        }

        using IDisposable noGrad = no_grad();
        using KfacFactors factors = KfacFactors.Of(objective, model, options, progress, cancellation);
        List<(LayerBlock Block, IReadOnlyList<int> Indices)> blocks = factors.ToBlocks();
        Alternation?[] layers = [.. factors.Statistics.Select((s, b) => s is KroneckerStatistics { Layout.Shape.IsOneHot: false } k ? new Alternation(k, (KroneckerBlock)blocks[b].Block) : null)];
        try
        {
            for (int pass = 0; pass < passes; pass++)
            {
                Array.ForEach(layers, layer => layer?.Begin());
                double weight = factors.Visit(objective, "nearest Kronecker product", column => Array.ForEach(layers, layer => layer?.Add(column)), progress, cancellation);
                Array.ForEach(layers, layer => layer?.End(weight, objective.Ranks));
            }

            for (int b = 0; b < layers.Length; b++)
            {
                if (layers[b] is { } layer)
                {
                    blocks[b].Block.Dispose();
                    blocks[b] = (layer.ToBlock(), blocks[b].Indices);
                }
            }

            return new NearestKronecker(factors.Parameters, factors.Registration, blocks);
        }
        catch
        {
            blocks.ForEach(b => b.Block.Dispose());
            throw;
        }
        finally
        {
            Array.ForEach(layers, layer => layer?.Dispose());
        }
    }

    /// <summary>One layer's alternation.</summary>
    private sealed class Alternation(KroneckerStatistics statistics, KroneckerBlock kfac) : IDisposable
    {
        private Tensor _g = kfac.Left.clone().DetachFromDisposeScope(), _a = kfac.Right.clone().DetachFromDisposeScope();
        private Tensor? _sum, _fixed, _size; // of the pass: what is gathered, the other factor at norm 1, its norm [K, 1, 1] in float64
        private bool _inputsNext;

        public void Begin()
        {
            using DisposeScope scope = NewDisposeScope();
            (Tensor made, Tensor other) = _inputsNext ? (_a, _g) : (_g, _a);
            Tensor wide = other.to(ScalarType.Float64), size = wide.square().sum(dim: 2, keepdim: true).sum(dim: 1, keepdim: true).sqrt();
            (_sum, _size) = (zeros_like(made).DetachFromDisposeScope(), size.DetachFromDisposeScope());
            _fixed = where(size.gt(0), wide.div(size), zeros_like(wide)).to(other.dtype).DetachFromDisposeScope();
        }

        public void Add(PulledBack column)
        {
            using DisposeScope scope = NewDisposeScope();
            MatrixLayout layout = statistics.Layout;
            if (column.OutputGradients(statistics.Indices[0], layout.Shape) is { } g)
            {
                LayerInputs inputs = KroneckerStatistics.Inputs(column, statistics.Indices[0], layout)!;
                _sum!.add_(inputs.SumOver(g, X => stack(Enumerable.Range(0, (int)layout.Groups).Select(k => Moment(X.select(1, k), _fixed!.select(0, k))))));
            }
        }

        public void End(double weight, IRanks ranks)
        {
            using DisposeScope scope = NewDisposeScope();
            ranks.Sum(_sum!);
            Factorisation.RequireFinite(_sum!, statistics.Name);
            Tensor sum = _sum!.to(ScalarType.Float64), made = where(_size!.gt(0), sum.div(_size).div(weight), zeros_like(sum)).to(_sum!.dtype, copy: true).DetachFromDisposeScope();
            (_inputsNext ? _a : _g).Dispose();
            (_g, _a) = _inputsNext ? (_g, made) : (made, _a);
            _inputsNext = !_inputsNext;
            Forget();
        }

        public KroneckerBlock ToBlock() => new(statistics.Name, statistics.Layout, new KroneckerFactor(_g.clone()), new KroneckerFactor(_a.clone()));

        public void Dispose()
        {
            _g.Dispose();
            _a.Dispose();
            Forget();
        }

        private void Forget()
        {
            _sum?.Dispose();
            _fixed?.Dispose();
            _size?.Dispose();
            (_sum, _fixed, _size) = (null, null, null);
        }

        private Tensor Moment(Tensor X, Tensor other) => KroneckerPair.SecondMoment(_inputsNext ? X.transpose(1, 2) : X, other);
    }
}
