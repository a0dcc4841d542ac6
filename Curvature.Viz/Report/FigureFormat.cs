namespace Curvature.Viz.Report;

/// <summary>What files of figures there are.</summary>
public enum FigureFormat
{
    /// <summary>SVG alone.</summary>
    Svg,

    /// <summary>SVG, and PNG at 300 dots an inch.</summary>
    Png,

    /// <summary>SVG, and PDF in the size of print.</summary>
    Pdf,
}
