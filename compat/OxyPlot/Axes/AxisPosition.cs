namespace OxyPlot.Axes;

/// <summary>The side of the plot area on which an axis stands.</summary>
public enum AxisPosition
{
    Left = 1,
    Bottom = 4,
}

/// <summary>Direction of the tick marks.</summary>
public enum TickStyle
{
    Outside = 2,
    None = 3,
}
