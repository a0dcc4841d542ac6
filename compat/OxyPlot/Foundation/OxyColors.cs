namespace OxyPlot;

/// <summary>The colours with a meaning, and the names in use.</summary>
public static class OxyColors
{
    public static readonly OxyColor Undefined = OxyColor.FromArgb(0, 0, 0, 0);
    public static readonly OxyColor Automatic = OxyColor.FromArgb(0, 0, 0, 1);
    public static readonly OxyColor Black = OxyColor.FromRgb(0, 0, 0);
    public static readonly OxyColor White = OxyColor.FromRgb(255, 255, 255);
}
