namespace TorchSharp.Modules;

/// <summary>A tensor that modules list and optimizers change. It takes over the handle of <c>data</c>, invalid afterwards.</summary>
public class Parameter : torch.Tensor
{
    public Parameter(torch.Tensor data, bool requires_grad = true) : base(data.DecoupleFromNativeHandle()) =>
        this.requires_grad = requires_grad;
}
