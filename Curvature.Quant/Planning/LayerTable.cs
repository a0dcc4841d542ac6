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
    public static LayerTable Read(string path) => Parse(Text(path), path);

    /// <summary>Reads a file of the same form for what layers cost, for <see cref="WithCosts"/>: sensitivities may be missing.</summary>
    /// <exception cref="DataFormatException">As <see cref="Read"/>.</exception>
    /// <exception cref="CurvatureException">The table contradicts itself: repeated names, negative costs, groups that disagree.</exception>
    public static LayerTable ReadCosts(string path)
    {
        LayerTable table = LayerTableReader.Read(Text(path), path);
        table.CheckLayers();
        return table;
    }

    private static string Text(string path)
    {
        using FileStream stream = InputFile.Open(path);
        if (stream.Length > LargestFile)
        {
            throw new DataFormatException(path, $"a table of layers, of at most {LargestFile >> 20} MiB", $"{stream.Length} bytes", "name a table");
        }

        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
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
    /// <exception cref="CurvatureException">No layer of that name, one at two widths, or a group that then disagrees.</exception>
    public LayerTable Fix(IEnumerable<KeyValuePair<string, int>> widths)
    {
        var fix = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach ((string layer, int bits) in widths)
        {
            if (!fix.TryAdd(layer, bits) && fix[layer] != bits)
            {
                throw new CurvatureException($"{Name}: layer '{layer}' cannot be fixed at {fix[layer]} bits and at {bits}. Fix it once.");
            }
        }

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

    /// <summary>
    /// The same table with what another says of the same layers: multiply-accumulates, latency, group, fixed bits and bits of the input. Its sensitivities do not count, nor does what it is silent on.
    /// </summary>
    /// <exception cref="CurvatureException">A layer that this table has not, or has in another size; groups that then disagree.</exception>
    public LayerTable WithCosts(LayerTable costs)
    {
        var own = Layers.ToDictionary(layer => layer.Name, StringComparer.Ordinal);
        foreach (TableLayer other in costs.Layers)
        {
            if (!own.TryGetValue(other.Name, out TableLayer? layer) || layer.Parameters != other.Parameters)
            {
                throw new CurvatureException(layer is null
                    ? $"{costs.Name}: it has a layer '{other.Name}', which the model has not; the model's layers are {Listed(own.Keys)}."
                    : $"{costs.Name}: layer '{other.Name}' has {other.Parameters} parameters there and {layer.Parameters} in the model.");
            }

            own[other.Name] = layer with
            {
                Macs = other.Macs ?? layer.Macs,
                Group = other.Group ?? layer.Group,
                Fixed = other.Fixed ?? layer.Fixed,
                ActivationBits = other.ActivationBits ?? layer.ActivationBits,
                LatencyMs = other.LatencyMs ?? layer.LatencyMs,
            };
        }

        LayerTable table = this with { Layers = [.. Layers.Select(layer => own[layer.Name])] };
        table.Check();
        return table;
    }

    /// <summary>The same table with some layers in a group, which then share their bits.</summary>
    /// <exception cref="CurvatureException">No layer of that name, one that is in another group already, or bits that are fixed differently.</exception>
    public LayerTable WithGroup(string name, IReadOnlyCollection<string> layers)
    {
        if (layers.Except(Layers.Select(layer => layer.Name), StringComparer.Ordinal).FirstOrDefault() is { } stranger)
        {
            throw new CurvatureException($"{Name}: it has no layer '{stranger}' for the group '{name}'; its layers are {Listed(Layers.Select(layer => layer.Name))}.");
        }

        if (Layers.FirstOrDefault(layer => layers.Contains(layer.Name) && layer.Group is not null && layer.Group != name) is { } taken)
        {
            throw new CurvatureException($"{Name}: layer '{taken.Name}' is in the group '{taken.Group}' already, and cannot be in '{name}' too. Make one group of both.");
        }

        LayerTable table = this with { Layers = [.. Layers.Select(layer => layers.Contains(layer.Name) ? layer with { Group = name } : layer)] };
        table.Check();
        return table;
    }

    /// <summary>The table as JSON, a layer a line; <see cref="Parse"/> reads it back to the same numbers.</summary>
    public string ToJson() => LayerTableWriter.Write(this);

    /// <summary>Throws where the table contradicts itself or lacks a sensitivity.</summary>
    internal void Check()
    {
        CheckLayers();
        foreach ((TableLayer layer, int? width) in Layers.Zip(FixedWidths()))
        {
            if (width is null && Bits.Select(bits => (int?)bits).FirstOrDefault(bits => layer.SensitivityAt(bits!.Value) is null) is { } missing)
            {
                throw new CurvatureException(
                    $"{Name}: layer '{layer.Name}' has no sensitivity at {missing} bits. Give \"average_trace\" and \"error\" at \"{missing}\", or \"sensitivity\" at \"{missing}\", or fix the layer (\"fixed\").");
            }
        }
    }

    /// <summary>Throws where the table contradicts itself.</summary>
    private void CheckLayers()
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
