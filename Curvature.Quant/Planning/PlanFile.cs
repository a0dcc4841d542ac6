using System.Text;
using System.Text.Json;
using Curvature.Data;
using Curvature.Quant.Networks;

namespace Curvature.Quant.Planning;

/// <summary>
/// What a <c>plan.json</c> assigns: bits by layer, and as far as it says so the layers' sizes, the model and the loss they were measured with. Other members are not looked at.
/// </summary>
public sealed record PlanFile
{
    private const int LargestFile = 1 << 28;

    /// <summary>What messages call it.</summary>
    public required string Name { get; init; }

    /// <summary><c>assignment</c>: bits by layer, 2 to 8, or 32 for floating point.</summary>
    public required IReadOnlyDictionary<string, int> Assignment { get; init; }

    /// <summary>Entries of the layers' weights, from <c>layers</c>; empty where there is no such list.</summary>
    public IReadOnlyDictionary<string, long> Parameters { get; init; } = new Dictionary<string, long>();

    /// <summary><c>loss_function</c>; null where it does not say.</summary>
    public string? Loss { get; init; }

    /// <summary>
    /// Bits of layers' inputs that the plan was measured with, by layer: <c>activations.assignment</c>, or <c>activation_bits</c> for all layers of <c>assignment</c>; empty where they stayed in floating point or it does not say.
    /// </summary>
    public IReadOnlyDictionary<string, int> InputBits { get; init; } = new Dictionary<string, int>();

    /// <summary>SHA-256 of the model's file, <c>environment.model_sha256</c>; null where it does not say.</summary>
    public string? ModelHash { get; init; }

    /// <summary>Reads a file.</summary>
    /// <exception cref="DataFormatException">No such file, no JSON, no assignment, bits that are none or out of range.</exception>
    public static PlanFile Read(string path)
    {
        using FileStream stream = InputFile.Open(path);
        if (stream.Length > LargestFile)
        {
            throw new DataFormatException(path, $"a plan, of at most {LargestFile >> 20} MiB", $"{stream.Length} bytes", "name the plan.json that 'curvature plan' wrote");
        }

        using var reader = new StreamReader(stream, Encoding.UTF8);
        return Parse(reader.ReadToEnd(), path);
    }

    /// <summary>Reads JSON text.</summary>
    /// <param name="json">The text.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="DataFormatException">As <see cref="Read"/>.</exception>
    public static PlanFile Parse(string json, string name = "plan")
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 16 });
            return Of(document.RootElement, name);
        }
        catch (JsonException error)
        {
            throw new DataFormatException(name, "JSON", $"\"{error.Message}\"", "write the plan anew with 'curvature plan'", error);
        }
    }

    /// <summary>Throws unless the plan is for this network: the same layers, of the same sizes where it says them.</summary>
    /// <exception cref="CurvatureException">A layer that the network has not, one that the plan leaves out, or one of another size.</exception>
    public void RequireFits(QuantizableNetwork network)
    {
        string[] own = [.. network.Layers.Select(layer => layer.Name)];
        if (Assignment.Keys.Except(own, StringComparer.Ordinal).ToArray() is { Length: > 0 } strangers)
        {
            throw new CurvatureException($"{Name}: it plans for {LayerTable.Listed(strangers)}, which the model has not; the model's layers are {LayerTable.Listed(own)}. Is it another model's plan?");
        }

        if (own.Except(Assignment.Keys, StringComparer.Ordinal).ToArray() is { Length: > 0 } missing)
        {
            throw new CurvatureException($"{Name}: it has no bits for {LayerTable.Listed(missing)} of the model. Plan for all layers; 32 bits leave one as it is.");
        }

        if (network.Layers.FirstOrDefault(layer => Parameters.TryGetValue(layer.Name, out long entries) && entries != layer.Parameters) is { } other)
        {
            throw new CurvatureException($"{Name}: it was made for a layer '{other.Name}' of {Parameters[other.Name]} weights, and the model's has {other.Parameters}. Is it another model's plan?");
        }
    }

    private static PlanFile Of(JsonElement root, string file)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("assignment", out JsonElement assignment) || assignment.ValueKind != JsonValueKind.Object || !assignment.EnumerateObject().Any())
        {
            throw new DataFormatException(file, "a plan with bits by layer under \"assignment\"", "none", "name the plan.json that 'curvature plan' wrote");
        }

        OrderedDictionary<string, int> bits = Bits(assignment, file, "the assignment", input: false);
        return new PlanFile
        {
            Name = file,
            Assignment = bits,
            Parameters = Sizes(root),
            Loss = Text(root, "loss_function"),
            InputBits = Inputs(root, bits.Keys, file),
            ModelHash = root.TryGetProperty("environment", out JsonElement environment) ? Text(environment, "model_sha256") : null,
        };
    }

    private static OrderedDictionary<string, int> Inputs(JsonElement root, IEnumerable<string> layers, string file)
    {
        if (root.TryGetProperty("activations", out JsonElement activations) && activations.ValueKind == JsonValueKind.Object &&
            activations.TryGetProperty("assignment", out JsonElement inputs) && inputs.ValueKind == JsonValueKind.Object)
        {
            OrderedDictionary<string, int> bits = Bits(inputs, file, "the assignment of activations", input: true);
            return bits.Keys.Except(layers, StringComparer.Ordinal).FirstOrDefault() is { } stranger
                ? throw new DataFormatException(file, "bits of inputs for layers of the assignment", $"'{stranger}'", "mend the assignment of activations")
                : bits;
        }

        return root.TryGetProperty("activation_bits", out JsonElement all) && all.ValueKind == JsonValueKind.Number
            ? new(layers.Select(layer => KeyValuePair.Create(layer, Width(all, file, layer, input: true))), StringComparer.Ordinal)
            : [];
    }

    private static OrderedDictionary<string, int> Bits(JsonElement assignment, string file, string where, bool input)
    {
        var bits = new OrderedDictionary<string, int>(StringComparer.Ordinal);
        foreach (JsonProperty layer in assignment.EnumerateObject())
        {
            if (!bits.TryAdd(layer.Name, Width(layer.Value, file, layer.Name, input)))
            {
                throw new DataFormatException(file, $"each layer once in {where}", $"'{layer.Name}' twice", "mend the assignment");
            }
        }

        return bits;
    }

    private static int Width(JsonElement value, string file, string layer, bool input) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int width) && width is (>= 2 and <= 8) or QuantizedWeights.Unquantized
            ? width
            : throw new DataFormatException(file, $"2 to 8 bits, or 32 for floating point, for {(input ? "the input of " : "")}layer '{layer}'", value.GetRawText(), "mend the assignment");

    private static Dictionary<string, long> Sizes(JsonElement root)
    {
        var sizes = new Dictionary<string, long>(StringComparer.Ordinal);
        if (root.TryGetProperty("layers", out JsonElement layers) && layers.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement layer in layers.EnumerateArray())
            {
                if (Text(layer, "name") is { } name && layer.TryGetProperty("parameters", out JsonElement entries) && entries.ValueKind == JsonValueKind.Number && entries.TryGetInt64(out long count))
                {
                    sizes[name] = count;
                }
            }
        }

        return sizes;
    }

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null;
}
