namespace OxyPlot;

/// <summary>A part of a plot; it belongs to one model at most.</summary>
public abstract class Element
{
    public Model? Parent { get; internal set; }
}

/// <summary>What a plot's parts have in common.</summary>
public abstract class PlotElement : Element
{
    /// <summary>NaN: the model's.</summary>
    public double FontSize { get; set; } = double.NaN;
    public OxyColor TextColor { get; set; } = OxyColors.Automatic;

    public PlotModel PlotModel => (PlotModel)Parent!;

    internal double ActualFontSize => double.IsNaN(FontSize) ? PlotModel.DefaultFontSize : FontSize;
    internal OxyColor ActualTextColor => TextColor.GetActualColor(PlotModel.TextColor);
}
