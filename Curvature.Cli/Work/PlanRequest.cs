using Curvature.Quant.Planning;

namespace Curvature.Cli.Work;

/// <summary>The command line of <c>plan</c>; see the options' descriptions. It has a table or a network.</summary>
internal sealed record PlanRequest
{
    /// <summary>The file of the table; null: a network is measured.</summary>
    public string? Table { get; init; }

    /// <summary>The network; null: there is a table.</summary>
    public NetworkPlanRequest? Network { get; init; }

    /// <summary>None where an accuracy is to be kept.</summary>
    public required IReadOnlyList<Limit> Limits { get; init; }

    /// <summary>The share of the accuracy in floating point that is to be kept, in place of limits; null: limits are.</summary>
    public double? Accuracy { get; init; }

    /// <summary>Layers that are fixed beyond what the table says.</summary>
    public IReadOnlyList<KeyValuePair<string, int>> Fixed { get; init; } = [];

    /// <summary>Groups beyond what the table says, with their layers.</summary>
    public IReadOnlyList<KeyValuePair<string, string[]>> Groups { get; init; } = [];

    /// <summary>Widths to choose from; null: the table's, or for a network 2, 4 and 8.</summary>
    public IReadOnlyList<int>? Bits { get; init; }

    public string Search { get; init; } = "exact";

    /// <summary>How often sensitivities are drawn anew.</summary>
    public int Draws { get; init; } = 200;

    public int Seed { get; init; }

    /// <summary>A file that ends in .json, or a folder for plan.json, the page and the figures; null: nothing is written.</summary>
    public string? Out { get; init; }

    /// <summary>The JSON file to write; null for none.</summary>
    public string? File => Out is null || Out.EndsWith(".json", StringComparison.Ordinal) ? Out : Path.Combine(Out, "plan.json");
}
