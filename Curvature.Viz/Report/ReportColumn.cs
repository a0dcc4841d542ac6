namespace Curvature.Viz.Report;

/// <summary>A column of a table.</summary>
/// <param name="Title">Its heading.</param>
/// <param name="IsNumeric">Whether it holds numbers rather than words.</param>
public sealed record ReportColumn(string Title, bool IsNumeric = true);
