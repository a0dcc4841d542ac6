namespace Curvature.Viz.Report;

/// <summary>One of the few numbers to read first.</summary>
/// <param name="Label">The quantity.</param>
/// <param name="Value">The number with its uncertainty, as text.</param>
/// <param name="Meaning">What it means, in a sentence.</param>
public sealed record Headline(string Label, string Value, string Meaning);
