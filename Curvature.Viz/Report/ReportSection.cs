namespace Curvature.Viz.Report;

/// <summary>A titled part of a report.</summary>
/// <param name="Title">Its heading.</param>
/// <param name="Blocks">Its content in order.</param>
public sealed record ReportSection(string Title, IReadOnlyList<ReportBlock> Blocks);
