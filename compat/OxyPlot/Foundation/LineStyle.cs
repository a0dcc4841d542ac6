namespace OxyPlot;

/// <summary>Dash patterns of lines.</summary>
public enum LineStyle
{
    Solid = 0,
    Dash = 1,
    Dot = 2,
    None = 10,
    Automatic = 11,
}

internal static class LineStyles
{
    /// <summary>Dash pattern in multiples of the line's thickness, null for a solid line.</summary>
    internal static double[]? Dashes(this LineStyle style) => style switch
    {
        LineStyle.Dash => [4, 2],
        LineStyle.Dot => [1, 2],
        _ => null,
    };
}
