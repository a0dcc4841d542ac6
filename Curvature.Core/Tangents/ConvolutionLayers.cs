using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// Convolutions over one to three dimensions, padded with zeros. Their adjoints are backward passes of convolutions that were made anyhow, which the engine has fast kernels for, and not transposed convolutions, which it has not.
/// </summary>
internal sealed class ConvolutionLayers : IBilinearLayer
{
    public Tensor? WeightOf(nn.Module layer) =>
        layer is Convolution { padding_mode: PaddingModes.Zeros, padding: not null } convolution && IsPlain(layer.GetType()) ? convolution.weight : null;

    public BilinearCall Call(CutPoint point, ParameterSpace space)
    {
        Convolution layer = (Convolution)point.Layer;
        return new ConvolutionCall(point, layer, IBilinearLayer.LiveIndex(space, layer.weight), IBilinearLayer.LiveIndex(space, layer.bias));
    }

    public bool HasSamples(nn.Module layer, Tensor input) => input.dim() == ((Convolution)layer).kernel_size.Length + 2;

    /// <summary>Whether it is one of the engine's own, and not of a kind made of it.</summary>
    private static bool IsPlain(Type type) => type.Assembly == typeof(Convolution).Assembly && (type.Name is "Conv1d" or "Conv2d" or "Conv3d");

    private static Tensor Convolve(Convolution layer, Tensor x, Tensor W) => layer.kernel_size.Length switch
    {
        1 => nn.functional.conv1d(x, W, null, layer.stride[0], layer.padding![0], layer.dilation[0], layer.groups),
        2 => nn.functional.conv2d(x, W, null, layer.stride, layer.padding, layer.dilation, layer.groups),
        _ => nn.functional.conv3d(x, W, null, layer.stride, layer.padding, layer.dilation, layer.groups),
    };

    private sealed class ConvolutionCall(CutPoint point, Convolution layer, int weight, int bias) : BilinearCall(point, weight, bias)
    {
        private bool HasSamples => Point.Input.dim() == layer.kernel_size.Length + 2;

        public override Tensor Pull(Tensor c) => Stacked(c.shape[0], j => Gradients.VectorJacobianProduct([Point.Output], [c.select(0, j)], [Point.Input])[0]!);

        public override Tensor WeightGradient(Tensor c) => Gradients.VectorJacobianProduct([Point.Output], [c], [layer.weight])[0]!;

        public override Tensor BiasGradients(Tensor c)
        {
            Tensor sums = c.flatten(HasSamples ? 3 : 2).sum(dim: -1); // over positions
            return HasSamples ? sums.sum(dim: 1) : sums;
        }

        public override (Tensor? Input, Tensor Weight) PullWithWeight(Tensor c, bool intoInput)
        {
            // Together, for the kernels that make both.
            Tensor?[] found = Gradients.VectorJacobianProduct([Point.Output], [c.squeeze(0)], intoInput ? [layer.weight, Point.Input] : [layer.weight]);
            return (intoInput ? found[1]!.unsqueeze(0) : null, found[0]!);
        }

        public override BilinearTangents Push(TangentRequest of)
        {
            long k = of.Count;
            Tensor a = Point.Input.detach().requires_grad_(of.IntoInput);
            Tensor[] moved;
            using (set_grad_enabled(of.IntoInput))
            {
                moved = [.. Enumerable.Range(0, of.Count).Select(j => Convolve(layer, a, of.Weight.select(0, j)))];
            }

            Tensor values = Stacked(k, j => moved[j].detach()), output = values;
            Tensor? down = of.IntoInput ? Stacked(k, j => Gradients.VectorJacobianProduct([moved[j]], [of.Cotangent], [a], keepGraph: false)[0]!) : null, product = null;
            if (of.Input is { } tangent)
            {
                using IDisposable grad = set_grad_enabled(of.Products);
                Tensor turned = Convolve(layer, HasSamples ? tangent.flatten(0, 1) : tangent, layer.weight);
                product = of.Products ? Gradients.VectorJacobianProduct([turned], [of.Cotangent.reshape(turned.shape)], [layer.weight], keepGraph: false)[0] : null;
                output = turned.detach().reshape([k, .. Point.Leaf.shape]).add_(values);
            }

            if (of.Bias is { } v)
            {
                output = output.add(v.reshape([k, .. HasSamples ? [1L] : Array.Empty<long>(), v.shape[1], .. layer.kernel_size.Select(_ => 1L)]));
            }

            return new BilinearTangents(output)
            {
                Down = down,
                Moved = of.Products ? null : values,
                InputForms = of.Products || of.Input is null ? null : Forms.Of(of.Input, down!),
                InputProduct = product,
            };
        }

        private static Tensor Stacked(long k, Func<int, Tensor> part) => k == 1 ? part(0).unsqueeze(0) : stack(Enumerable.Range(0, (int)k).Select(part));
    }
}
