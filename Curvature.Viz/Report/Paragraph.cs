namespace Curvature.Viz.Report;

/// <summary>Running text.</summary>
/// <param name="Text">The words, without markup.</param>
public sealed record Paragraph(string Text) : ReportBlock;
