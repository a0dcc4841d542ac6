using System.Collections;

namespace TorchSharp.Utils;

/// <summary>A dictionary that enumerates in order of insertion, as pairs.</summary>
public class OrderedDict<TKey, TValue> : IEnumerable<(TKey, TValue)> where TKey : notnull
{
    private readonly OrderedDictionary<TKey, TValue> _entries = [];

    public ICollection<TValue> Values => _entries.Values;

    public TValue this[TKey key]
    {
        get => _entries[key];
        set => _entries[key] = value;
    }

    public bool ContainsKey(TKey key) => _entries.ContainsKey(key);

    public void Clear() => _entries.Clear();

    public IEnumerator<(TKey, TValue)> GetEnumerator() => _entries.Select(e => (e.Key, e.Value)).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
