namespace Curvature.Viz.Report;

/// <summary>A table whose first column names its rows.</summary>
/// <param name="Caption">What the table holds.</param>
/// <param name="Columns">Headings; a column of words is set flush left, one of numbers flush right.</param>
/// <param name="Rows">Cells as text, one for each column.</param>
public sealed record ReportTable(
    string Caption,
    IReadOnlyList<ReportColumn> Columns,
    IReadOnlyList<IReadOnlyList<string>> Rows) : ReportBlock;
