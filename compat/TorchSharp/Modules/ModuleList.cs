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
        _items.AddRange(parameters);
    }

    // Only then: TorchSharp's list has no parameters of its own.
    private protected override void OnRegistered()
    {
        for (int i = named_children().Count(); i < Count; i++)
        {
            register_module($"{i}", _items[i]);
        }
    }

    public IEnumerator<T> GetEnumerator() => _items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
