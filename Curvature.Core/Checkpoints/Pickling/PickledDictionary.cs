namespace Curvature.Checkpoints.Pickling;

/// <summary>
/// A Python dictionary as a list of its entries, in order. Keys are not hashed: they may be anything, also something that contains itself.
/// </summary>
internal sealed class PickledDictionary
{
    private readonly List<(object? Key, object? Value)> _entries = [];

    /// <summary>Keys and values, in the order they were set.</summary>
    public IReadOnlyList<(object? Key, object? Value)> Entries => _entries;

    /// <summary>True where this is what <c>state_dict()</c> returns: at least one entry, all of them a name and a tensor.</summary>
    public bool IsStateDictionary => _entries.Count > 0 && _entries.TrueForAll(entry => entry is (string, PickledTensor));

    public void Add(object? key, object? value) => _entries.Add((key, value));
}
