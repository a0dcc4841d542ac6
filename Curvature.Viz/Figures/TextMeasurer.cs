using OxyPlot;

namespace Curvature.Viz.Figures;

/// <summary>
/// Measures text for the layout of figures. OxyPlot's own measure is in points, three quarters of what the text takes in an SVG (2.2.0,
/// PdfRenderContext.MeasureText), so that labels run into each other; this one is in pixels, with room for sans-serif fonts wider than
/// Helvetica.
/// </summary>
internal sealed class TextMeasurer() : PdfRenderContext(0, 0, OxyColors.Undefined)
{
    private const double PixelsPerPoint = 96.0 / 72, Allowance = 1.15;

    /// <inheritdoc/>
    public override OxySize MeasureText(string text, string? fontFamily, double fontSize, double fontWeight)
    {
        OxySize points = base.MeasureText(text, fontFamily, fontSize, fontWeight);
        return new OxySize(Allowance * PixelsPerPoint * points.Width, PixelsPerPoint * points.Height);
    }
}
