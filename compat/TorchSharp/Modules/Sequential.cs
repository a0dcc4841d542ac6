using Child = TorchSharp.torch.nn.Module<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>;

namespace TorchSharp.Modules;

/// <summary>Its children one after the other. An intermediate result is disposed once the next child has used it, under grad too.</summary>
public class Sequential : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly List<torch.nn.IModule<torch.Tensor, torch.Tensor>> _children = [];

    protected internal Sequential(params (string name, Child submodule)[] modules) : base(nameof(Sequential))
    {
        foreach ((string name, Child module) in modules) append(name, module);
    }

    protected internal Sequential(params Child[] modules) : this(modules.Select((module, i) => ($"{i}", module)).ToArray()) { }

    public int Count => _children.Count;
    public torch.nn.IModule<torch.Tensor, torch.Tensor> this[int index] => _children[index];

    public Sequential append(string name, torch.nn.IModule<torch.Tensor, torch.Tensor> module)
    {
        register_module(name, (torch.nn.Module)module);
        _children.Add(module);
        return this;
    }

    public Sequential append(torch.nn.IModule<torch.Tensor, torch.Tensor> module) => append($"{Count}", module);

    public override torch.Tensor forward(torch.Tensor tensor)
    {
        torch.Tensor result = tensor.alias();
        foreach (torch.nn.IModule<torch.Tensor, torch.Tensor> child in _children)
        {
            torch.Tensor input = result;
            try
            {
                result = child.call(input);
            }
            finally
            {
                if (!ReferenceEquals(input, result)) input.Dispose();
            }
        }
        return result;
    }
}
