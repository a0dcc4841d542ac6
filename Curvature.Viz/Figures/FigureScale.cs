namespace Curvature.Viz.Figures;

/// <summary>How values are spaced.</summary>
public enum FigureScale
{
    /// <summary>By their differences.</summary>
    Linear,

    /// <summary>By their ratios.</summary>
    Logarithmic,
}
