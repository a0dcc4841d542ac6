using Curvature.Tensors;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>Linear layers, <c>o = a W^T + b</c> for the rows of a: all but its last dimension. The products of several directions are one batched matrix product.</summary>
internal sealed class LinearLayers : IBilinearLayer
{
    public Tensor? WeightOf(nn.Module layer) => (layer as Linear)?.weight;

    public BilinearCall Call(CutPoint point, ParameterSpace space)
    {
        Linear linear = (Linear)point.Layer;
        return new LinearCall(point, linear.weight.detach().DetachFromDisposeScope(), IBilinearLayer.LiveIndex(space, linear.weight), IBilinearLayer.LiveIndex(space, linear.bias));
    }

    private sealed class LinearCall : BilinearCall
    {
        private readonly Tensor _rows;
        private readonly Tensor _weight;
        private readonly long[] _shape;

        public LinearCall(CutPoint point, Tensor W, int weight, int bias) : base(point, weight, bias)
        {
            (_weight, _shape) = (W, point.Input.shape);
            _rows = point.Input.detach().reshape(-1, _shape[^1]).DetachFromDisposeScope();
        }

        public override Tensor Pull(Tensor c) => Flat(c).mm(_weight).reshape([c.shape[0], .. _shape]);

        public override Tensor WeightGradient(Tensor c) => Flat(c).t().mm(_rows);

        public override Tensor BiasGradients(Tensor c) => c.reshape(c.shape[0], -1, c.shape[^1]).sum(dim: 1);

        public override BilinearTangents Push(TangentRequest of)
        {
            (long k, long rows, long outputs) = (of.Count, _rows.shape[0], _weight.shape[0]);
            Tensor moved = Repeated(_rows, k).bmm(of.Weight.transpose(1, 2));
            Tensor output = of.Input is { } tangent ? Flat(tangent).mm(_weight.t()).reshape(k, rows, outputs).add_(moved) : moved;
            output = of.Bias is { } v ? output.add(v.unsqueeze(1)) : output;
            Tensor? down = of.IntoInput ? Repeated(Flat(of.Cotangent), k).bmm(of.Weight).reshape([k, .. _shape]) : null;
            return new BilinearTangents(output.reshape([k, .. Point.Leaf.shape]))
            {
                Down = down,
                Moved = of.Products ? null : moved,
                InputForms = of.Products || of.Input is null ? null : Forms.Of(of.Input, down!),
                InputProduct = of.Products && of.Input is not null ? Flat(of.Cotangent).t().mm(Flat(of.Input)) : null,
            };
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
    }
}
