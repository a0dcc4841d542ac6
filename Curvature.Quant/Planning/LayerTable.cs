using System.Text;
using Curvature.Data;

namespace Curvature.Quant.Planning;

/// <summary>
/// Everything a planner needs of a network: its layers with their sizes, costs and sensitivities, and the bit widths to choose from. As JSON:
/// <c>{"bits": [4, 8], "layers": [{"name": "fc1", "parameters": 36864, "macs": 115605504, "group": "a", "average_trace": 0.068,
/// "error": {"4": 6.743, "8": 0.0235}, "latency_ms": {"4": 0.21, "8": 0.36}}]}</c>; the properties of <see cref="TableLayer"/> say what each member is.
/// </summary>
public sealed record LayerTable
{
    private const int LargestFile = 1 << 28;

    /// <summary>The widths to choose from, each 1 to 32.</summary>
    public required IReadOnlyList<int> Bits { get; init; }

    /// <summary>The layers, in the order of plans.</summary>
    public required IReadOnlyList<TableLayer> Layers { get; init; }

    /// <summary>What messages call the table: a file's name.</summary>
    public string Name { get; init; } = "table";

    /// <summary>Reads and checks a JSON file.</summary>
    /// <exception cref="DataFormatException">No such file, no JSON, an unknown or repeated member, a value of the wrong kind or size.</exception>
    /// <exception cref="CurvatureException">The table contradicts itself: missing bits, repeated names, groups that disagree.</exception>
    public static LayerTable Read(string path)
    {
        using FileStream stream = InputFile.Open(path);
        if (stream.Length > LargestFile)
        {
            throw new DataFormatException(path, $"a table of layers, of at most {LargestFile >> 20} MiB", $"{stream.Length} bytes", "name a table");
        }

        using var reader = new StreamReader(stream, Encoding.UTF8);
        return Parse(reader.ReadToEnd(), path);
    }

    /// <summary>Reads and checks JSON text.</summary>
    /// <param name="json">The text.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="DataFormatException">As <see cref="Read"/>.</exception>
    /// <exception cref="CurvatureException">As <see cref="Read"/>.</exception>
    public static LayerTable Parse(string json, string name = "table")
    {
        LayerTable table = LayerTableReader.Read(json, name);
        table.Check();
        return table;
    }

    /// <summary>The same table with some layers fixed at a width, by name.</summary>
    /// <exception cref="CurvatureException">No layer of that name, or a group that then disagrees.</exception>
    public LayerTable Fix(IEnumerable<KeyValuePair<string, int>> widths)
    {
        var fix = widths.ToDictionary(StringComparer.Ordinal);
        if (fix.Keys.Except(Layers.Select(layer => layer.Name), StringComparer.Ordinal).FirstOrDefault() is { } stranger)
        {
            throw new CurvatureException($"{Name}: it has no layer '{stranger}' to fix; its layers are {Listed(Layers.Select(layer => layer.Name))}.");
        }

        LayerTable table = this with
        {
            Layers = [.. Layers.Select(layer => fix.TryGetValue(layer.Name, out int bits) ? layer with { Fixed = bits } : layer)],
        };
        table.Check();
        return table;
    }

    /// <summary>The table as JSON, a layer a line; <see cref="Parse"/> reads it back to the same numbers.</summary>
    public string ToJson() => LayerTableWriter.Write(this);

    /// <summary>Throws where the table contradicts itself.</summary>
    internal void Check()
    {
        if (Layers.Count == 0)
        {
            throw new CurvatureException($"{Name}: it has no layers, so there is nothing to plan. List them under \"layers\".");
        }

        if (Bits.Count == 0 || Bits.Distinct().Count() < Bits.Count || Bits.Any(bits => bits is < 1 or > 32))
        {
            throw new CurvatureException($"{Name}: expected different widths from 1 to 32 under \"bits\", got [{string.Join(", ", Bits)}]; list each once.");
        }

        if (Layers.GroupBy(layer => layer.Name, StringComparer.Ordinal).FirstOrDefault(same => same.Count() > 1) is { } repeated)
        {
            throw new CurvatureException($"{Name}: {repeated.Count()} layers are called '{repeated.Key}'; give each a name of its own.");
        }

        foreach (TableLayer layer in Layers)
        {
            layer.Check(Name);
        }

        foreach (IGrouping<string?, TableLayer> group in Layers.Where(layer => layer.Group is not null).GroupBy(layer => layer.Group, StringComparer.Ordinal))
        {
            TableLayer[] set = [.. group.Where(layer => layer.Fixed is not null)];
            if (set.FirstOrDefault(layer => layer.Fixed != set[0].Fixed) is { } other)
            {
                throw new CurvatureException(
                    $"{Name}: layers of group '{group.Key}' share their bits, but '{set[0].Name}' is fixed at {set[0].Fixed} and '{other.Name}' at {other.Fixed}. Fix them alike.");
            }
        }

        foreach ((TableLayer layer, int? width) in Layers.Zip(FixedWidths()))
        {
            if (width is null && Bits.Select(bits => (int?)bits).FirstOrDefault(bits => layer.SensitivityAt(bits!.Value) is null) is { } missing)
            {
                throw new CurvatureException(
                    $"{Name}: layer '{layer.Name}' has no sensitivity at {missing} bits. Give \"average_trace\" and \"error\" at \"{missing}\", or \"sensitivity\" at \"{missing}\", or fix the layer (\"fixed\").");
            }
        }
    }

    /// <summary>The width at which each layer is fixed, by itself or by another layer of its group; null where it may be chosen.</summary>
    internal IReadOnlyList<int?> FixedWidths()
    {
        var groups = Layers.Where(layer => layer is { Group: not null, Fixed: not null }).GroupBy(layer => layer.Group!, StringComparer.Ordinal)
            .ToDictionary(group => group.Key, group => group.First().Fixed, StringComparer.Ordinal);
        return [.. Layers.Select(layer => layer.Fixed ?? (layer.Group is null ? null : groups.GetValueOrDefault(layer.Group)))];
    }

    /// <summary>The first few names, for a message.</summary>
    internal static string Listed(IEnumerable<string> names)
    {
        const int Some = 8;
        string[] all = [.. names];
        return string.Join(", ", all.Take(Some).Select(name => $"'{name}'")) + (all.Length > Some ? $" and {all.Length - Some} more" : "");
    }
}
