using System.Text;

namespace OxyPlot;

/// <summary>Draws a plot as SVG.</summary>
public class SvgExporter
{
    public double Width { get; set; } = 600;
    public double Height { get; set; } = 400;

    /// <summary>Whether to begin with an XML declaration, as a file of its own.</summary>
    public bool IsDocument { get; set; } = true;

    /// <summary>Places text by its baseline: some viewers do not know <c>dominant-baseline</c>.</summary>
    public bool UseVerticalTextAlignmentWorkaround { get; set; }

    /// <summary>Measures text; <see cref="PdfRenderContext"/> where none is given.</summary>
    public IRenderContext? TextMeasurer { get; set; }

    public void Export(IPlotModel model, Stream stream)
    {
        var plot = (PlotModel)model;
        var bounds = new OxyRect(0, 0, Width, Height);
        IRenderContext measurer = TextMeasurer ?? new PdfRenderContext(Width, Height, plot.Background);
        using var canvas = new Canvas(stream, Width, Height, plot.DefaultFont, measurer, IsDocument, UseVerticalTextAlignmentWorkaround);
        canvas.Rectangle(bounds, plot.Background);
        plot.Render(canvas, bounds);
    }

    public string ExportToString(IPlotModel model)
    {
        using var stream = new MemoryStream();
        Export(model, stream);
        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }
}
