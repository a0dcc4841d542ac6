using Curvature.Quant.Planning;

namespace Curvature.Cli.Work;

/// <summary>The command line of <c>plan</c>; see the options' descriptions.</summary>
internal sealed record PlanRequest
{
    /// <summary>The file of the table.</summary>
    public required string Table { get; init; }

    public required IReadOnlyList<Limit> Limits { get; init; }

    /// <summary>Layers that are fixed beyond what the table says.</summary>
    public IReadOnlyList<KeyValuePair<string, int>> Fixed { get; init; } = [];

    /// <summary>Widths to choose from; null: the table's.</summary>
    public IReadOnlyList<int>? Bits { get; init; }

    public string Search { get; init; } = "exact";

    /// <summary>How often sensitivities are drawn anew.</summary>
    public int Draws { get; init; } = 200;

    public int Seed { get; init; }

    /// <summary>A file that ends in .json, or a folder for plan.json; null: nothing is written.</summary>
    public string? Out { get; init; }

    /// <summary>The file to write; null for none.</summary>
    public string? File => Out is null || Out.EndsWith(".json", StringComparison.Ordinal) ? Out : Path.Combine(Out, "plan.json");
}
