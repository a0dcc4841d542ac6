using System.Collections;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Unicode;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Sharpness;

namespace Curvature.Viz.Report;

/// <summary>
/// One JSON object in the order of the command line's contract: <c>environment</c>, the quantities as they were added, <c>findings</c>.
/// An estimate is <c>{"value", "standard_error", "products"}</c>, an eigenvalue <c>{"value", "residual", "converged"}</c>, a layer's trace
/// <c>{"name", "parameters", "trace"}</c>. JSON has no NaN: non-finite numbers are <c>null</c> and a finding <c>non-finite</c> names them.
/// Numbers are written so that they read back to the same bits.
/// </summary>
/// <param name="environment">Versions, device, seed, hashes: names in snake case.</param>
public sealed class JsonReport(IEnumerable<KeyValuePair<string, object?>> environment)
{
    private static readonly JsonSerializerOptions Options = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.Create(UnicodeRanges.All),
    };

    private readonly List<KeyValuePair<string, object?>> members = [new("environment", environment)];

    /// <summary>Adds a quantity: a number, string, boolean, estimate, eigenvalue, layer trace, or a list or dictionary of them.</summary>
    /// <returns>This report, so that calls can be chained.</returns>
    public JsonReport Add(string name, object? quantity)
    {
        members.Add(new(name, quantity));
        return this;
    }

    /// <summary>The JSON text, ending in a line feed.</summary>
    /// <param name="findings">Written last; one about non-finite numbers is put first where it is needed and not among them.</param>
    public string Write(IReadOnlyList<Finding> findings)
    {
        JsonObject root = Object(members, "", []);
        root.Add("findings", Node(Findings(findings), "findings", []));
        return root.ToJsonString(Options) + "\n";
    }

    /// <summary>The findings with, first, one about numbers that are not finite where it is needed and not among them.</summary>
    /// <param name="findings">Those there are.</param>
    public IReadOnlyList<Finding> Findings(IReadOnlyList<Finding> findings)
    {
        var nonFinite = new List<(string Path, bool IsUnknown)>();
        Object(members, "", nonFinite);
        Node(findings, "findings", nonFinite);
        if (nonFinite.Count == 0 || findings.Any(finding => finding.Id == "non-finite"))
        {
            return findings;
        }

        const int Named = 5;
        string paths = string.Join(", ", nonFinite.Take(Named).Select(number => number.Path)) + (nonFinite.Count > Named ? ", ..." : "");
        bool unknown = nonFinite.All(number => number.IsUnknown);
        Finding finding = Finding.Of(
            "non-finite",
            unknown ? Severity.Info : Severity.Error,
            unknown ? $"{nonFinite.Count} standard error(s) are unknown and stand as null: {paths}." : $"{nonFinite.Count} number(s) are not finite and stand as null: {paths}.",
            ("paths", nonFinite.Select(number => number.Path)));
        return unknown ? [.. findings, finding] : [finding, .. findings];
    }

    private static JsonNode? Node(object? value, string path, List<(string Path, bool IsUnknown)> nonFinite)
    {
        switch (value)
        {
            case null:
                return null;
            case double number when !double.IsFinite(number):
                nonFinite.Add((path, double.IsNaN(number) && IsError(path)));
                return null;
            case float single when !float.IsFinite(single):
                nonFinite.Add((path, float.IsNaN(single) && IsError(path)));
                return null;
            case double or float or int or long or uint or ulong or short or byte or decimal or bool or string:
                return JsonValue.Create(JsonSerializer.SerializeToElement(value));
            case Enum name:
                return name.ToString().ToLowerInvariant();
            case Estimate estimate:
                return Object(
                    [new("value", estimate.Value), new("standard_error", estimate.StandardError), new("products", estimate.Products)],
                    path,
                    nonFinite);
            case Eigenvalue eigenvalue:
                return Object(
                    [new("value", eigenvalue.Value), new("residual", eigenvalue.Residual), new("converged", eigenvalue.Converged)],
                    path,
                    nonFinite);
            case LayerTrace layer:
                return Object([new("name", layer.Name), new("parameters", layer.Parameters), new("trace", layer.Trace)], path, nonFinite);
            case Finding finding:
                return Object(
                    [
                        new("id", finding.Id),
                        new("severity", finding.Severity),
                        new("message", finding.Message),
                        new("evidence", finding.Evidence),
                    ],
                    path,
                    nonFinite);
            case IEnumerable<KeyValuePair<string, object?>> pairs:
                return Object(pairs, path, nonFinite);
            case IEnumerable items:
                return new JsonArray([.. items.Cast<object?>().Select((item, i) => Node(item, $"{path}[{i}]", nonFinite))]);
            default:
                return Convert.ToString(value, CultureInfo.InvariantCulture);
        }
    }

    /// <summary>Whether a number is a standard error, one of a list or one by bits; that of a single sample is NaN, which is no fault.</summary>
    private static bool IsError(string path) => path.AsSpan().TrimEnd("0123456789.[]").EndsWith("standard_error", StringComparison.Ordinal);

    private static JsonObject Object(IEnumerable<KeyValuePair<string, object?>> pairs, string path, List<(string Path, bool IsUnknown)> nonFinite)
    {
        var node = new JsonObject();
        foreach ((string name, object? value) in pairs)
        {
            node[name] = Node(value, path.Length == 0 ? name : $"{path}.{name}", nonFinite);
        }

        return node;
    }
}
