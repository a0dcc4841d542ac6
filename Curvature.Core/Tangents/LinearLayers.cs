using Curvature.Tensors;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>Linear layers, <c>o = a W^T + b</c> for the rows of a: all but its last dimension. The products of several directions are one batched matrix product.</summary>
internal sealed class LinearLayers : IBilinearLayer
{
    public Tensor? WeightOf(nn.Module layer) => (layer as Linear)?.weight;

    public BilinearCall Call(nn.Module layer, Tensor input, ParameterSpace space)
    {
        Linear linear = (Linear)layer;
        return new LinearCall(input, linear.weight.detach().DetachFromDisposeScope(), IBilinearLayer.LiveIndex(space, linear.weight), IBilinearLayer.LiveIndex(space, linear.bias));
    }

    private sealed class LinearCall : BilinearCall
    {
        private readonly Tensor _rows;
        private readonly Tensor _weight;
        private readonly long[] _shape;

        public LinearCall(Tensor input, Tensor W, int weight, int bias) : base(input, weight, bias)
        {
            (_weight, _shape) = (W, input.shape);
            _rows = input.reshape(-1, _shape[^1]).DetachFromDisposeScope();
        }

        public override Tensor Pull(Tensor c) => Flat(c).mm(_weight).reshape([c.shape[0], .. _shape]);

        public override Tensor WeightGradient(Tensor c) => Flat(c).t().mm(_rows);

        public override Tensor BiasGradients(Tensor c) => c.reshape(c.shape[0], -1, c.shape[^1]).sum(dim: 1);

        public override BilinearTangents? Push(Tensor? tangent, Tensor? V, Tensor? v)
        {
            if ((tangent ?? V ?? v) is not { } any)
            {
                return null;
            }

            (long k, long rows, long outputs) = (any.shape[0], _rows.shape[0], _weight.shape[0]);
            Tensor? moved = V is null ? null : Repeated(_rows, k).bmm(V.transpose(1, 2));
            Tensor? output = tangent?.reshape(-1, _shape[^1]).mm(_weight.t()).reshape(k, rows, outputs);
            output = output is null ? moved : moved is null ? output : output.add_(moved);
            if (v is not null)
            {
                output = (output ?? zeros([k, rows, outputs], v.dtype, v.device)).add(v.unsqueeze(1));
            }

            return new Tangents(this, output!.reshape([k, .. _shape[..^1], outputs]), moved, V);
        }

        protected override void Dispose(bool disposing)
        {
            _rows.Dispose();
            _weight.Dispose();
            base.Dispose(disposing);
        }

        private static Tensor Flat(Tensor c) => c.reshape(-1, c.shape[^1]);

        /// <summary>The matrix k times over, <c>[k, rows, columns]</c>, in the memory of the one.</summary>
        private static Tensor Repeated(Tensor matrix, long k) => matrix.unsqueeze(0).expand(k, matrix.shape[0], matrix.shape[1]);

        private sealed class Tangents(LinearCall call, Tensor output, Tensor? moved, Tensor? V) : BilinearTangents(output, moved?.reshape(output.shape))
        {
            public override Tensor? PullDirections(Tensor c) =>
                V is null ? null : Repeated(Flat(c), V.shape[0]).bmm(V).reshape([V.shape[0], .. call._shape]);
        }
    }
}
