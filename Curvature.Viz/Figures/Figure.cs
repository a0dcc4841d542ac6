namespace Curvature.Viz.Figures;

/// <summary>
/// One picture of one result. A new figure of a report is one file that derives from this or from <see cref="PlotFigure"/>, and one line in <see cref="KnownFigures"/>; pictures of
/// other results derive from it elsewhere.
/// At its natural size it fills a column of a paper: 420 units across 8.8 cm print its text at 7 points.
/// </summary>
public abstract class Figure
{
    /// <summary>Name of its file without the extension, in kebab case.</summary>
    public abstract string Name { get; }

    /// <summary>Caption in a few words.</summary>
    public abstract string Title { get; }

    /// <summary>What is to be seen, in numbers, for readers who cannot see it.</summary>
    public abstract string Description { get; }

    /// <summary>Natural width in CSS pixels.</summary>
    public virtual double Width => 420;

    /// <summary>Natural height in CSS pixels.</summary>
    public virtual double Height => 270;

    /// <summary>The scale of the values, where they can be drawn on either; null where there is only one.</summary>
    public virtual FigureScale? Scale => null;

    /// <summary>The same figure on the other scale; null where <see cref="Scale"/> is, and where the other would leave out values.</summary>
    public virtual Figure? OnOtherScale => null;

    /// <summary>The picture as an SVG element, without an XML declaration.</summary>
    /// <exception cref="CurvatureException">The figure could not be drawn.</exception>
    public abstract string ToSvg(FigureTheme theme);

    /// <summary>The values that a reader can point at, with their places in the picture.</summary>
    public virtual FigureMarks Marks() => FigureMarks.None;
}
