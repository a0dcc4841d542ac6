using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Curvature.Quant.Planning;

/// <summary>A <see cref="LayerTable"/> as JSON, a layer a line, numbers to their last bit.</summary>
internal static class LayerTableWriter
{
    public static string Write(LayerTable table)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{{\n  \"bits\": [{string.Join(", ", table.Bits)}],\n  \"layers\": [\n");
        text.AppendJoin(",\n", table.Layers.Select(layer => "    {" + string.Join(", ", Members(layer)) + "}"));
        return text.Append("\n  ]\n}\n").ToString();
    }

    private static IEnumerable<string> Members(TableLayer layer)
    {
        yield return $"\"name\": {Text(layer.Name)}";
        yield return $"\"parameters\": {layer.Parameters}";
        foreach ((string name, int? number) in ((string, int?)[])[("fixed", layer.Fixed), ("activation_bits", layer.ActivationBits)])
        {
            if (number is { } bits)
            {
                yield return $"\"{name}\": {bits}";
            }
        }

        if (layer.Macs is { } macs)
        {
            yield return $"\"macs\": {macs}";
        }

        if (layer.Group is { } group)
        {
            yield return $"\"group\": {Text(group)}";
        }

        if (layer.AverageTrace is { } trace)
        {
            yield return $"\"average_trace\": {Number(trace)}";
        }

        if (layer.TraceStandardError is { } error)
        {
            yield return $"\"standard_error\": {Number(error)}";
        }

        foreach ((string name, IReadOnlyDictionary<int, double>? values) in ((string, IReadOnlyDictionary<int, double>?)[])
            [("error", layer.Error), ("sensitivity", layer.Sensitivity), ("standard_error", layer.SensitivityStandardError), ("latency_ms", layer.LatencyMs)])
        {
            if (values is not null)
            {
                yield return $"\"{name}\": {{{string.Join(", ", values.OrderBy(pair => pair.Key).Select(pair => $"\"{pair.Key}\": {Number(pair.Value)}"))}}}";
            }
        }
    }

    private static string Text(string text) => JsonSerializer.Serialize(text);

    private static string Number(double number) => JsonSerializer.Serialize(number);
}
