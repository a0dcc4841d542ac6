using System.Collections;

namespace OxyPlot;

/// <summary>The parts of one kind of one model.</summary>
public class ElementCollection<T>(Model parent) : IReadOnlyList<T>
    where T : Element
{
    private readonly List<T> items = [];

    public int Count => items.Count;

    public T this[int index] => items[index];

    public void Add(T item)
    {
        if (item.Parent is not null)
        {
            throw new InvalidOperationException("The element already belongs to a plot model.");
        }

        item.Parent = parent;
        items.Add(item);
    }

    public IEnumerator<T> GetEnumerator() => items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
