namespace TorchSharp.Modules;

/// <summary>y = x W^T + b, W <c>[out, in]</c>.</summary>
public sealed class Linear : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    internal Linear(long inputs, long outputs, bool hasBias, torch.Device? device, torch.ScalarType? dtype) : base(nameof(Linear))
    {
        weight = Made(torch.empty([outputs, inputs], dtype, device), w => torch.nn.init.kaiming_uniform_(w, Math.Sqrt(5)));
        bias = hasBias ? Made(torch.empty([outputs], dtype, device), b => torch.nn.init.FanInUniform(b, weight)) : null;
    }

    internal Linear(Parameter weight, Parameter? bias) : base(nameof(Linear))
    {
        this.weight = weight;
        this.bias = bias;
    }

    public Parameter weight { get => Get()!; set => Set(value); }
    public Parameter? bias { get => Get(); set => Set(value); }

    public override torch.Tensor forward(torch.Tensor tensor) => torch.nn.functional.linear(tensor, weight, bias);
}
