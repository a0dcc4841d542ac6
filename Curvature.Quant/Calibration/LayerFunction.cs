using Curvature.Quant.Networks;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Curvature.Quant.Calibration;

/// <summary>What a layer computes as a function of its input, weight and bias.</summary>
internal static class LayerFunction
{
    /// <summary><c>f(x, W, b)</c>; null for kinds of layers that it is not known of: all but linear layers and convolutions padded with zeros.</summary>
    public static Func<Tensor, Tensor, Tensor?, Tensor>? Of(Module? module) => module switch
    {
        TorchSharp.Modules.Linear => functional.linear,
        Conv1d c when IsPlain(c) => (x, W, b) => functional.conv1d(x, W, b, c.stride[0], c.padding![0], c.dilation[0], c.groups),
        Conv2d c when IsPlain(c) => (x, W, b) => functional.conv2d(x, W, b, c.stride, c.padding, c.dilation, c.groups),
        Conv3d c when IsPlain(c) => (x, W, b) => functional.conv3d(x, W, b, c.stride, c.padding, c.dilation, c.groups),
        _ => null,
    };

    /// <summary>The parameter called <c>bias</c>; null where there is none.</summary>
    public static Tensor? BiasOf(WeightLayer layer) => layer.Module?.named_parameters(recurse: false).FirstOrDefault(p => p.name == "bias").parameter;

    private static bool IsPlain(Convolution convolution) => convolution.padding is not null && convolution.padding_mode == PaddingModes.Zeros;
}
