using F = TorchSharp.torch.nn.functional;

namespace TorchSharp.Modules;

/// <summary>Weight <c>[out, in / groups, kernel...]</c> and the geometry of a convolution.</summary>
public abstract class Convolution : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private protected Convolution(string name, long inputs, long outputs, long[] kernel_size, long[] stride, long[]? padding,
        Padding? padding_type, long[] dilation, long groups, bool bias, PaddingModes padding_mode, torch.Device? device,
        torch.ScalarType? dtype) : base(name)
    {
        if (inputs % groups != 0 || outputs % groups != 0)
        {
            throw new ArgumentException($"{groups} groups do not divide {inputs} input and {outputs} output channels.");
        }
        (in_channels, out_channels, this.groups) = (inputs, outputs, groups);
        (this.kernel_size, this.stride, this.dilation) = (kernel_size, stride, dilation);
        (this.padding, this.padding_type, this.padding_mode) = (padding, padding_type, padding_mode);
        long[] shape = [outputs, inputs / groups, .. kernel_size];
        weight = Made(torch.empty(shape, dtype, device), w => torch.nn.init.kaiming_uniform_(w, Math.Sqrt(5)));
        this.bias = bias ? Made(torch.empty([outputs], dtype, device), b => torch.nn.init.FanInUniform(b, weight)) : null;
    }

    public Parameter weight { get => Get()!; set => Set(value); }
    public Parameter? bias { get => Get(); set => Set(value); }
    public long in_channels { get; }
    public long out_channels { get; }
    public long groups { get; set; }
    public long[] kernel_size { get; set; }
    public long[] stride { get; set; }
    public long[] dilation { get; set; }

    /// <summary>Null when <see cref="padding_type"/> says it.</summary>
    public long[]? padding { get; }
    public Padding? padding_type { get; }
    public PaddingModes padding_mode { get; set; }

    /// <summary>Zeros before and after each dimension, last dimension first, as <c>pad</c> takes them.</summary>
    private protected long[] Margins() => Enumerable.Range(0, kernel_size.Length).Reverse().SelectMany<int, long>(i =>
    {
        long total = padding_type == Padding.Same ? dilation[i] * (kernel_size[i] - 1) : 0;
        return padding is null ? [total / 2, total - (total / 2)] : [padding[i], padding[i]];
    }).ToArray();
}

public sealed class Conv2d : Convolution
{
    internal Conv2d(long inputs, long outputs, long[] kernel_size, long[] stride, long[]? padding, Padding? padding_type, long[] dilation,
        PaddingModes padding_mode, long groups, bool bias, torch.Device? device, torch.ScalarType? dtype)
        : base(nameof(Conv2d), inputs, outputs, kernel_size, stride, padding, padding_type, dilation, groups, bias, padding_mode,
            device, dtype)
    {
        if (padding_type == Padding.Same && stride.Any(s => s != 1)) throw new ArgumentException("Padding.Same needs stride 1.");
    }

    public override torch.Tensor forward(torch.Tensor input)
    {
        if (padding_mode == PaddingModes.Zeros && padding is not null)
        {
            return F.conv2d(input, weight, bias, stride, padding, dilation, groups);
        }
        using torch.Tensor padded = F.pad(input, Margins(), padding_mode == PaddingModes.Zeros ? PaddingModes.Constant : padding_mode);
        return F.conv2d(padded, weight, bias, stride, null, dilation, groups);
    }
}

public sealed class Conv1d : Convolution
{
    internal Conv1d(long inputs, long outputs, long kernel_size, long stride, long padding, long dilation, PaddingModes padding_mode,
        long groups, bool bias, torch.Device? device, torch.ScalarType? dtype)
        : base(nameof(Conv1d), inputs, outputs, [kernel_size], [stride], [padding], null, [dilation], groups, bias, padding_mode, device, dtype) { }

    public override torch.Tensor forward(torch.Tensor input)
    {
        if (padding_mode == PaddingModes.Zeros) return F.conv1d(input, weight, bias, stride[0], padding![0], dilation[0], groups);
        using torch.Tensor padded = F.pad(input, Margins(), padding_mode);
        return F.conv1d(padded, weight, bias, stride[0], 0, dilation[0], groups);
    }
}

public sealed class Conv3d : Convolution
{
    internal Conv3d(long inputs, long outputs, long kernel_size, long stride, long padding, long dilation, PaddingModes padding_mode,
        long groups, bool bias, torch.Device? device, torch.ScalarType? dtype)
        : base(nameof(Conv3d), inputs, outputs, Cube(kernel_size), Cube(stride), Cube(padding), null, Cube(dilation), groups, bias,
            padding_mode, device, dtype)
    {
    }

    public override torch.Tensor forward(torch.Tensor input)
    {
        if (padding_mode == PaddingModes.Zeros) return F.conv3d(input, weight, bias, stride, padding, dilation, groups);
        using torch.Tensor padded = F.pad(input, Margins(), padding_mode);
        return F.conv3d(padded, weight, bias, stride, null, dilation, groups);
    }

    private static long[] Cube(long side) => [side, side, side];
}
