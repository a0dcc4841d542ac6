using System.Text.Json;
using Curvature.Data;

namespace Curvature.Quant.Planning;

/// <summary>
/// The JSON of a <see cref="LayerTable"/>, read strictly: a member that is not known, stands twice or has a value of another kind is an error that
/// says where. A member that is null counts as absent.
/// </summary>
internal sealed class LayerTableReader
{
    private static readonly string[] TableMembers = ["bits", "layers"];

    private static readonly string[] LayerMembers =
    [
        "name", "parameters", "macs", "group", "fixed", "activation_bits", "average_trace", "error", "sensitivity", "standard_error", "latency_ms",
    ];

    private readonly string _file;

    private LayerTableReader(string file) => _file = file;

    /// <summary>The table in <paramref name="json"/>; what its numbers mean together is for <see cref="LayerTable.Check"/>.</summary>
    public static LayerTable Read(string json, string file)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 8 });
            return new LayerTableReader(file).Table(document.RootElement);
        }
        catch (JsonException error)
        {
            throw new DataFormatException(file, "JSON", $"\"{error.Message}\"", "mend it there; JSON knows no NaN and no comments", error);
        }
    }

    private LayerTable Table(JsonElement root)
    {
        Dictionary<string, JsonElement> members = Members(root, "the table", TableMembers);
        return new LayerTable
        {
            Name = _file,
            Bits = [.. Items(members, "bits", "the table").Select(bits => Width(bits, "\"bits\""))],
            Layers = [.. Items(members, "layers", "the table").Select(Layer)],
        };
    }

    private TableLayer Layer(JsonElement element, int index)
    {
        string where = $"layer {index}";
        Dictionary<string, JsonElement> members = Members(element, where, LayerMembers);
        string name = Text(members, "name", where) ?? throw Expected($"a \"name\" in {where}", "none");
        where = $"layer '{name}'";
        JsonElement? error = Find(members, "standard_error");
        return new TableLayer
        {
            Name = name,
            Parameters = Whole(members, "parameters", where) ?? throw Expected($"\"parameters\" in {where}", "none"),
            Macs = Whole(members, "macs", where),
            Group = Text(members, "group", where),
            Fixed = Find(members, "fixed") is { } width ? Width(width, $"\"fixed\" of {where}") : null,
            ActivationBits = Find(members, "activation_bits") is { } input ? Width(input, $"\"activation_bits\" of {where}") : null,
            AverageTrace = Find(members, "average_trace") is { } trace ? Number(trace, $"\"average_trace\" of {where}") : null,
            Error = ByBits(Find(members, "error"), $"\"error\" of {where}"),
            Sensitivity = ByBits(Find(members, "sensitivity"), $"\"sensitivity\" of {where}"),
            TraceStandardError = error is { ValueKind: not JsonValueKind.Object } ? Number(error.Value, $"\"standard_error\" of {where}") : null,
            SensitivityStandardError = error is { ValueKind: JsonValueKind.Object } ? ByBits(error, $"\"standard_error\" of {where}") : null,
            LatencyMs = ByBits(Find(members, "latency_ms"), $"\"latency_ms\" of {where}"),
        };
    }

    private Dictionary<string, JsonElement> Members(JsonElement element, string where, string[] known)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw Expected($"an object as {where}", Kind(element));
        }

        var members = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (!known.Contains(property.Name))
            {
                throw Expected($"in {where} only the members {string.Join(", ", known)}", $"\"{property.Name}\"");
            }

            if (!members.TryAdd(property.Name, property.Value))
            {
                throw Expected($"each member of {where} once", $"\"{property.Name}\" twice");
            }
        }

        return members;
    }

    private JsonElement.ArrayEnumerator Items(Dictionary<string, JsonElement> members, string name, string where) =>
        Find(members, name) is not { } list ? throw Expected($"\"{name}\" in {where}", "none")
        : list.ValueKind != JsonValueKind.Array ? throw Expected($"a list as \"{name}\"", Kind(list))
        : list.EnumerateArray();

    private Dictionary<int, double>? ByBits(JsonElement? element, string where)
    {
        if (element is not { } map)
        {
            return null;
        }

        if (map.ValueKind != JsonValueKind.Object)
        {
            throw Expected($"{where} by bits, such as {{\"4\": 0.1, \"8\": 0.01}}", Kind(map));
        }

        var values = new Dictionary<int, double>();
        foreach (JsonProperty property in map.EnumerateObject())
        {
            if (!int.TryParse(property.Name, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int bits) || bits is < 1 or > 32)
            {
                throw Expected($"{where} by bits from \"1\" to \"32\"", $"\"{property.Name}\"");
            }

            if (!values.TryAdd(bits, Number(property.Value, $"{where} at {bits} bits")))
            {
                throw Expected($"{where} at each width once", $"\"{property.Name}\" twice");
            }
        }

        return values;
    }

    private string? Text(Dictionary<string, JsonElement> members, string name, string where) => Find(members, name) is not { } text ? null
        : text.ValueKind == JsonValueKind.String && text.GetString() is { Length: > 0 } value ? value
        : throw Expected($"text as \"{name}\" of {where}", Kind(text));

    private long? Whole(Dictionary<string, JsonElement> members, string name, string where)
    {
        const long Most = 1L << 45; // times 1024 bit operations it is still a whole number in float64
        if (Find(members, name) is not { } number)
        {
            return null;
        }

        return number.ValueKind == JsonValueKind.Number && number.TryGetDouble(out double value) && value == Math.Floor(value) && value is >= 0 and <= Most
            ? (long)value
            : throw Expected($"a whole number from 0 to 2^45 as \"{name}\" of {where}", Kind(number));
    }

    private int Width(JsonElement element, string where) =>
        element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out int bits) && bits is >= 1 and <= 32
            ? bits
            : throw Expected($"a whole number from 1 to 32 in {where}", Kind(element));

    private double Number(JsonElement element, string where) =>
        element.ValueKind == JsonValueKind.Number && element.TryGetDouble(out double value) && double.IsFinite(value)
            ? value
            : throw Expected($"a finite number as {where}", Kind(element));

    private static JsonElement? Find(Dictionary<string, JsonElement> members, string name) =>
        members.TryGetValue(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private DataFormatException Expected(string expected, string got) => new(_file, expected, got, "see docs/guide/quantization.md for the form of a table");

    private static string Kind(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        _ => element.GetRawText(),
    };
}
