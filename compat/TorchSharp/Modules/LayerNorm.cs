namespace TorchSharp.Modules;

/// <summary>Normalises over the last dimensions, of sizes <see cref="normalized_shape"/>.</summary>
public sealed class LayerNorm : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    internal LayerNorm(long[] normalized_shape, double eps, bool elementwise_affine, bool bias, torch.Device? device,
        torch.ScalarType? dtype) : base(nameof(LayerNorm))
    {
        (this.normalized_shape, this.eps, this.elementwise_affine) = (normalized_shape, eps, elementwise_affine);
        if (elementwise_affine)
        {
            weight = Made(torch.empty(normalized_shape, dtype, device), w => torch.nn.init.ones_(w));
            this.bias = bias ? Made(torch.empty(normalized_shape, dtype, device), b => torch.nn.init.zeros_(b)) : null;
        }
    }

    public Parameter weight { get => Get()!; set => Set(value); }
    public Parameter? bias { get => Get(); set => Set(value); }
    public long[] normalized_shape { get; set; }
    public double eps { get; set; }
    public bool elementwise_affine { get; set; }

    public override torch.Tensor forward(torch.Tensor tensor) =>
        torch.nn.functional.layer_norm(tensor, normalized_shape, elementwise_affine ? weight : null, bias, eps);
}

/// <summary>Normalises each of the groups of channels of each sample.</summary>
public sealed class GroupNorm : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    internal GroupNorm(long num_groups, long num_channels, double eps, bool affine, torch.Device? device, torch.ScalarType? dtype)
        : base(nameof(GroupNorm))
    {
        (this.num_groups, this.eps, this.affine) = (num_groups, eps, affine);
        if (affine)
        {
            weight = Made(torch.empty([num_channels], dtype, device), w => torch.nn.init.ones_(w));
            bias = Made(torch.empty([num_channels], dtype, device), b => torch.nn.init.zeros_(b));
        }
    }

    public Parameter weight { get => Get()!; set => Set(value); }
    public Parameter? bias { get => Get(); set => Set(value); }
    public long num_groups { get; set; }
    public double eps { get; set; }
    public bool affine { get; set; }

    public override torch.Tensor forward(torch.Tensor tensor) =>
        torch.nn.functional.group_norm(tensor, num_groups, affine ? weight : null, bias, eps);
}
