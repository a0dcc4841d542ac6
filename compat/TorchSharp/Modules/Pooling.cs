using F = TorchSharp.torch.nn.functional;

namespace TorchSharp.Modules;

public sealed class MaxPool2d : ParameterLessModule<torch.Tensor, torch.Tensor>
{
    internal MaxPool2d(long[] kernel_size, long[]? stride, long[]? padding, long[]? dilation, bool ceil_mode) : base(nameof(MaxPool2d)) =>
        (this.kernel_size, this.stride, this.padding, this.dilation, this.ceil_mode) =
        (kernel_size, stride ?? kernel_size, padding ?? [0, 0], dilation ?? [1, 1], ceil_mode);

    public long[] kernel_size { get; set; }
    public long[] stride { get; set; }
    public long[] padding { get; set; }
    public long[] dilation { get; set; }
    public bool ceil_mode { get; set; }

    public override torch.Tensor forward(torch.Tensor input) => F.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode);
}

public sealed class AvgPool2d : ParameterLessModule<torch.Tensor, torch.Tensor>
{
    private readonly bool _countPadding;
    private readonly long? _divisor;

    internal AvgPool2d(long[] kernel_size, long[]? stride, long[]? padding, bool ceil_mode, bool countPadding, long? divisor)
        : base(nameof(AvgPool2d))
    {
        (this.kernel_size, this.stride, this.padding, this.ceil_mode) = (kernel_size, stride ?? kernel_size, padding ?? [0, 0], ceil_mode);
        (_countPadding, _divisor) = (countPadding, divisor);
    }

    public long[] kernel_size { get; set; }
    public long[] stride { get; set; }
    public long[] padding { get; set; }
    public bool ceil_mode { get; set; }

    public override torch.Tensor forward(torch.Tensor input) =>
        F.avg_pool2d(input, kernel_size, stride, padding, ceil_mode, _countPadding, _divisor);
}

public sealed class AdaptiveAvgPool2d : ParameterLessModule<torch.Tensor, torch.Tensor>
{
    internal AdaptiveAvgPool2d(long[] output_size) : base(nameof(AdaptiveAvgPool2d)) => this.output_size = output_size;

    public long[] output_size { get; set; }

    public override torch.Tensor forward(torch.Tensor input) => F.adaptive_avg_pool2d(input, output_size);
}
