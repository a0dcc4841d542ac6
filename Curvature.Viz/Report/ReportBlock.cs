namespace Curvature.Viz.Report;

/// <summary>A piece of a section: a <see cref="Paragraph"/>, a <see cref="ReportFigure"/> or a <see cref="ReportTable"/>.</summary>
public abstract record ReportBlock;
