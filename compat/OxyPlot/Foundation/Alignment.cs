namespace OxyPlot;

/// <summary>Where a text stands relative to its point.</summary>
public enum HorizontalAlignment
{
    Left = -1,
    Center = 0,
    Right = 1,
}

/// <summary>Where a text stands relative to its point.</summary>
public enum VerticalAlignment
{
    Top = -1,
    Middle = 0,
    Bottom = 1,
}
