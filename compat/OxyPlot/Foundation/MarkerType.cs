namespace OxyPlot;

/// <summary>Shapes of points.</summary>
public enum MarkerType
{
    None = 0,
    Circle = 1,
    Square = 2,
    Diamond = 3,
}
