using System.Collections;

namespace TorchSharp.Modules;

/// <summary>Modules in order, named "0", "1" ...</summary>
public class ModuleList<T> : torch.nn.Module, IEnumerable<T> where T : torch.nn.Module
{
    private readonly List<T> _items = [];

    public ModuleList(params T[] modules) : base("ModuleList") => append(modules);

    public int Count => _items.Count;

    public void append(params T[] parameters)
    {
        foreach (T module in parameters)
        {
            register_module($"{Count}", module);
            _items.Add(module);
        }
    }

    public IEnumerator<T> GetEnumerator() => _items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
