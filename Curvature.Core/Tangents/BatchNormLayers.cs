using Curvature.Tensors;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>Batch norm that normalises by its running statistics, <c>o = W (a - mean) / sigma + b</c> channel by channel: affine in a.</summary>
internal sealed class BatchNormLayers : IBilinearLayer
{
    public Tensor? WeightOf(nn.Module layer) => layer is BatchNorm { training: false, affine: true, running_mean: not null, running_var: not null } norm ? norm.weight : null;

    public BilinearCall Call(CutPoint point, ParameterSpace space)
    {
        BatchNorm norm = (BatchNorm)point.Layer;
        return new BatchNormCall(point, norm, IBilinearLayer.LiveIndex(space, norm.weight), IBilinearLayer.LiveIndex(space, norm.bias));
    }

    private sealed class BatchNormCall(CutPoint point, BatchNorm norm, int weight, int bias) : BilinearCall(point, weight, bias)
    {
        private readonly Tensor _zero = zeros_like(norm.running_mean!).DetachFromDisposeScope();

        public override Tensor Pull(Tensor c) => Scaled(c.flatten(0, 1), norm.weight.detach(), null).reshape(c.shape);

        public override Tensor WeightGradient(Tensor c) => Sums(Normalised(ones_like(norm.weight.detach())).mul(c).unsqueeze(0)).squeeze(0);

        public override Tensor BiasGradients(Tensor c) => Sums(c);

        public override BilinearTangents Push(TangentRequest of)
        {
            Tensor? x = of.Input;
            Tensor output = Stacked(of.Count, j => x is null ? Normalised(of.Weight.select(0, j)) : Scaled(x.select(0, j), norm.weight.detach(), null).add_(Normalised(of.Weight.select(0, j))));
            output = of.Bias is { } v ? output.add_(v.reshape([of.Count, 1, v.shape[1], .. Point.Leaf.shape.Skip(2).Select(_ => 1L)])) : output;

            // B(., a')^T c, a number a channel
            Tensor? product = x is null ? null : Stacked(of.Count, j => Sums(Scaled(x.select(0, j), ones_like(_zero), null).mul_(of.Cotangent).unsqueeze(0)).squeeze(0));
            return new Tangents(this, of, output)
            {
                InputForms = of.Products || product is null ? null : Forms.Of(of.Weight, product),
                InputProduct = of.Products ? product?.squeeze(0) : null,
            };
        }

        protected override void Dispose(bool disposing)
        {
            _zero.Dispose();
            base.Dispose(disposing);
        }

        private static Tensor Stacked(long k, Func<int, Tensor> part) => k == 1 ? part(0).unsqueeze(0) : stack(Enumerable.Range(0, (int)k).Select(part));

        /// <summary><c>w (a - mean) / sigma</c>, one pass.</summary>
        private Tensor Normalised(Tensor w) => nn.functional.batch_norm(Point.Input.detach(), norm.running_mean, norm.running_var, w, null, false, 0, norm.eps);

        /// <summary><c>w x / sigma + shift</c>, one pass.</summary>
        private Tensor Scaled(Tensor x, Tensor w, Tensor? shift) => nn.functional.batch_norm(x, _zero, norm.running_var, w, shift, false, 0, norm.eps);

        /// <summary>Over samples and positions, <c>[k, N, C, ...]</c> to <c>[k, C]</c>.</summary>
        private static Tensor Sums(Tensor c) => (c.dim() > 3 ? c.flatten(3).sum(dim: 3) : c).sum(dim: 1);

        /// <summary>What the size of the activations has is made again where it is needed: a pass is cheaper than memory.</summary>
        private sealed class Tangents(BatchNormCall call, TangentRequest of, Tensor output) : BilinearTangents(output)
        {
            public override Tensor? PullDirections() => of.IntoInput ? Stacked(of.Count, j => call.Scaled(of.Cotangent, of.Weight.select(0, j), null)) : null;

            public override Tensor? OutputForms(Tensor c) => Forms.Of(of.Weight, Stacked(of.Count, j => call.WeightGradient(c.select(0, j))));
        }
    }
}
