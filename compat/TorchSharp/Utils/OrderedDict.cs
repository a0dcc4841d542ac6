using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace TorchSharp.Utils;

/// <summary>A dictionary that enumerates in order of insertion, as pairs.</summary>
public class OrderedDict<TKey, TValue> : IEnumerable<(TKey, TValue)> where TKey : notnull
{
    private readonly OrderedDictionary<TKey, TValue> _entries = [];

    public int Count => _entries.Count;
    public ICollection<TKey> Keys => _entries.Keys;
    public ICollection<TValue> Values => _entries.Values;

    public TValue this[TKey key]
    {
        get => _entries[key];
        set => _entries[key] = value;
    }

    public bool ContainsKey(TKey key) => _entries.ContainsKey(key);

    public bool TryGetValue(TKey key, [MaybeNullWhen(false)] out TValue value) => _entries.TryGetValue(key, out value);

    public bool Remove(TKey key) => _entries.Remove(key);

    public void Clear() => _entries.Clear();

    public IEnumerator<(TKey, TValue)> GetEnumerator() => _entries.Select(e => (e.Key, e.Value)).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
