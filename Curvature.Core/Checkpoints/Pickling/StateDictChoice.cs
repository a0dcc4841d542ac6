using Curvature.Data;

namespace Curvature.Checkpoints.Pickling;

/// <summary>Finds the weights in what a training script saved: the dictionary itself, or one of its entries beside epoch and optimizer.</summary>
internal static class StateDictChoice
{
    private const int MostShown = 12;

    // What training scripts call the entry, where there is more than one that could be it.
    private static readonly string[] Usual = ["state_dict", "model_state_dict", "model", "net", "network", "weights"];

    /// <summary>The tensors by name.</summary>
    /// <param name="root">The value of the pickle.</param>
    /// <param name="path">The file, for messages.</param>
    /// <param name="remark">Told which entry was taken, where it is one of several.</param>
    /// <exception cref="DataFormatException">No dictionary of tensors, several that could be meant, or a name twice.</exception>
    public static IReadOnlyList<(string Name, PickledTensor Value)> Choose(object? root, string path, Action<string>? remark)
    {
        PickledDictionary outer = root as PickledDictionary ?? throw NoWeights(path, Pickled.Kind(root));
        if (outer.IsStateDictionary)
        {
            return Named(outer, path);
        }

        (string Name, PickledDictionary Value)[] inner =
            [.. outer.Entries.Where(entry => entry is (string, PickledDictionary { IsStateDictionary: true })).Select(entry => ((string)entry.Key!, (PickledDictionary)entry.Value!))];
        (string Name, PickledDictionary Value)[] usual = [.. inner.Where(entry => Usual.Contains(entry.Name))];
        (string name, PickledDictionary chosen) = (inner, usual) switch
        {
            ([var only], _) => only,
            (_, [var only]) => only,
            ([], _) => throw NoWeights(path, $"a dictionary of {Contents(outer)}"),
            _ => throw new DataFormatException(
                path,
                "the weights of one model",
                $"those of {inner.Length}: {string.Join(", ", inner.Take(MostShown).Select(entry => $"'{entry.Name}'"))}",
                $"save one of them alone: torch.save(torch.load(file)['{inner[0].Name}'], other_file)"),
        };
        remark?.Invoke($"The weights are those under '{name}' of {Path.GetFileName(path)}, which holds {Contents(outer)}.");
        return Named(chosen, path);
    }

    private static List<(string Name, PickledTensor Value)> Named(PickledDictionary dictionary, string path)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var tensors = new List<(string, PickledTensor)>(dictionary.Entries.Count);
        foreach ((object? key, object? value) in dictionary.Entries)
        {
            string name = (string)key!;
            tensors.Add(names.Add(name) ? (name, (PickledTensor)value!) : throw DataFormatException.Corrupt(path, "tensors with names of their own", $"'{name}' twice"));
        }

        return tensors;
    }

    private static string Contents(PickledDictionary dictionary)
    {
        IEnumerable<string> shown = dictionary.Entries.Take(MostShown).Select(entry =>
            $"{(entry.Key is string name ? $"'{name}'" : Pickled.Show(entry.Key))} ({Pickled.Kind(entry.Value)})");
        return dictionary.Entries.Count == 0 ? "nothing" : string.Join(", ", shown) + (dictionary.Entries.Count > MostShown ? ", .." : "");
    }

    private static DataFormatException NoWeights(string path, string got) => new(
        path, "a state dict (names and tensors), or a dictionary that holds one", got, "save the weights alone: torch.save(model.state_dict(), file)");
}
