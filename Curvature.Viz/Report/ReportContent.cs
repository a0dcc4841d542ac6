using Curvature.Sharpness;

namespace Curvature.Viz.Report;

/// <summary>What a report says, apart from how it looks. All text is plain: <see cref="HtmlReport"/> escapes it.</summary>
public sealed record ReportContent
{
    /// <summary>The kind of report, e.g. <c>Sharpness report</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>What it is about: the model's name.</summary>
    public required string Title { get; init; }

    /// <summary>One sentence that says what was measured on what.</summary>
    public required string Lead { get; init; }

    /// <summary>The few numbers to read first.</summary>
    public IReadOnlyList<Headline> Headlines { get; init; } = [];

    /// <summary>What a reader must know, the most serious first.</summary>
    public IReadOnlyList<Finding> Findings { get; init; } = [];

    /// <summary>Tables, figures and text.</summary>
    public IReadOnlyList<ReportSection> Sections { get; init; } = [];

    /// <summary>The exact command that repeats the report.</summary>
    public string? Command { get; init; }

    /// <summary>What the time budget left out or reduced, one sentence each.</summary>
    public IReadOnlyList<string> Cuts { get; init; } = [];

    /// <summary>Name of the file with the same numbers.</summary>
    /// <value><c>report.json</c>.</value>
    public string JsonName { get; init; } = "report.json";

    /// <summary>Versions, device, seed, hashes: names in snake case.</summary>
    public IReadOnlyList<KeyValuePair<string, object?>> Environment { get; init; } = [];
}
