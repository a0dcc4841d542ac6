namespace OxyPlot;

/// <summary>What measures text.</summary>
public interface IRenderContext
{
    OxySize MeasureText(string text, string? fontFamily = null, double fontSize = 10, double fontWeight = 500);
}

/// <summary>What measures text.</summary>
public abstract class RenderContextBase : IRenderContext
{
    public abstract OxySize MeasureText(string text, string? fontFamily, double fontSize, double fontWeight);
}

/// <summary>Measures text with the metrics of the PDF standard fonts: Helvetica's, whatever the font.</summary>
public class PdfRenderContext : RenderContextBase
{
    private const double PointsPerPixel = 0.75;

    public PdfRenderContext(double width, double height, OxyColor background)
    {
    }

    /// <summary>The size in points, as in OxyPlot: three quarters of what the text takes in a picture measured in pixels.</summary>
    public override OxySize MeasureText(string text, string? fontFamily, double fontSize, double fontWeight) =>
        new(PointsPerPixel * FontMetrics.Width(text, fontSize), PointsPerPixel * FontMetrics.LineHeight * fontSize);
}
