using System.Globalization;
using System.Xml;

namespace OxyPlot;

/// <summary>Writes shapes as SVG elements. Numbers are rounded to hundredths; shapes with a point that is not finite are omitted.</summary>
internal sealed class Canvas : IDisposable
{
    private const double FontWeight = 400;

    private readonly XmlWriter xml;
    private readonly IRenderContext measurer;
    private readonly string font;
    private readonly bool alignByBaseline;
    private int clips;

    /// <param name="stream">Receives UTF-8; stays open.</param>
    /// <param name="width">Width of the picture.</param>
    /// <param name="height">Height of the picture.</param>
    /// <param name="font">Font family of all text.</param>
    /// <param name="measurer">Measures text.</param>
    /// <param name="isDocument">Whether to begin with an XML declaration.</param>
    /// <param name="alignByBaseline">Place text by its baseline, for viewers that do not know <c>dominant-baseline</c>.</param>
    internal Canvas(Stream stream, double width, double height, string font, IRenderContext measurer, bool isDocument, bool alignByBaseline)
    {
        this.font = font;
        this.measurer = measurer;
        this.alignByBaseline = alignByBaseline;
        xml = XmlWriter.Create(stream, new XmlWriterSettings
        {
            OmitXmlDeclaration = !isDocument,
            Encoding = new System.Text.UTF8Encoding(false),
            Indent = true,
            NewLineChars = "\n",
        });
        xml.WriteStartElement("svg", "http://www.w3.org/2000/svg");
        Attribute("width", width);
        Attribute("height", height);
        xml.WriteAttributeString("viewBox", $"0 0 {Number(width)} {Number(height)}");
        xml.WriteAttributeString("font-family", font);
    }

    public void Dispose() => xml.Dispose();

    /// <summary>Size of a text with its subscripts and superscripts.</summary>
    internal OxySize Measure(string? text, double fontSize)
    {
        OxySize Size(MathRun run) => measurer.MeasureText(run.Text, font, run.Scale * fontSize, FontWeight);
        OxySize[] sizes = [.. MathRun.Parse(text ?? "").Select(Size)];
        return new(sizes.Sum(size => size.Width), sizes.Length == 0 ? 0 : sizes.Max(size => size.Height));
    }

    internal void BeginClip(OxyRect area)
    {
        string id = $"clip{++clips}";
        xml.WriteStartElement("clipPath");
        xml.WriteAttributeString("id", id);
        Shape("rect", area);
        xml.WriteEndElement();
        xml.WriteEndElement();
        xml.WriteStartElement("g");
        xml.WriteAttributeString("clip-path", $"url(#{id})");
    }

    internal void EndClip() => xml.WriteEndElement();

    internal void Rectangle(OxyRect area, OxyColor fill, OxyColor stroke = default, double thickness = 0)
    {
        if ((fill.IsVisible() || (stroke.IsVisible() && thickness > 0)) && double.IsFinite(area.Left + area.Top + area.Width + area.Height))
        {
            Shape("rect", area);
            Paint(fill, stroke, thickness);
            xml.WriteEndElement();
        }
    }

    internal void Circle(ScreenPoint center, double radius, OxyColor fill, OxyColor stroke, double thickness)
    {
        xml.WriteStartElement("circle");
        Attribute("cx", center.X);
        Attribute("cy", center.Y);
        Attribute("r", radius);
        Paint(fill, stroke, thickness);
        xml.WriteEndElement();
    }

    internal void Line(IReadOnlyList<ScreenPoint> points, OxyColor stroke, double thickness, LineStyle style = LineStyle.Solid)
    {
        if (style == LineStyle.None || thickness <= 0 || !stroke.IsVisible() || points.Count < 2 || !points.All(point => point.IsFinite))
        {
            return;
        }

        xml.WriteStartElement("polyline");
        Points(points);
        Paint(OxyColors.Undefined, stroke, thickness);
        if (style.Dashes() is { } dashes)
        {
            xml.WriteAttributeString("stroke-dasharray", string.Join(',', dashes.Select(dash => Number(dash * thickness))));
        }

        xml.WriteAttributeString("stroke-linejoin", "round");
        xml.WriteEndElement();
    }

    internal void Polygon(IReadOnlyList<ScreenPoint> points, OxyColor fill, OxyColor stroke = default, double thickness = 0)
    {
        if (points.Count > 2 && points.All(point => point.IsFinite))
        {
            xml.WriteStartElement("polygon");
            Points(points);
            Paint(fill, stroke, thickness);
            xml.WriteEndElement();
        }
    }

    /// <summary>Writes a text with its subscripts and superscripts at a point, turned about it by an angle in degrees.</summary>
    internal void Text(
        ScreenPoint at,
        string text,
        OxyColor color,
        double fontSize,
        HorizontalAlignment horizontal = HorizontalAlignment.Left,
        VerticalAlignment vertical = VerticalAlignment.Bottom,
        double angle = 0)
    {
        if (string.IsNullOrEmpty(text) || !at.IsFinite)
        {
            return;
        }

        xml.WriteStartElement("text");
        Attribute("x", at.X);
        Attribute("y", at.Y + (alignByBaseline ? Baseline(vertical) * fontSize : 0));
        if (angle != 0)
        {
            xml.WriteAttributeString("transform", $"rotate({Number(angle)} {Number(at.X)} {Number(at.Y)})");
        }

        Attribute("font-size", fontSize);
        Fill(color);
        xml.WriteAttributeString("text-anchor", Anchor(horizontal));
        if (!alignByBaseline)
        {
            xml.WriteAttributeString("dominant-baseline", BaselineName(vertical));
        }

        Runs(MathRun.Parse(text), fontSize);
        xml.WriteEndElement();
    }

    private static string Anchor(HorizontalAlignment horizontal) => horizontal switch
    {
        HorizontalAlignment.Center => "middle",
        HorizontalAlignment.Right => "end",
        _ => "start",
    };

    private static string BaselineName(VerticalAlignment vertical) => vertical switch
    {
        VerticalAlignment.Top => "hanging",
        VerticalAlignment.Middle => "middle",
        _ => "auto",
    };

    private static double Baseline(VerticalAlignment vertical) => vertical switch
    {
        VerticalAlignment.Top => FontMetrics.Ascent,
        VerticalAlignment.Middle => FontMetrics.CapHeight / 2,
        _ => FontMetrics.Ascent - FontMetrics.LineHeight,
    };

    private static string Number(double value) => (Math.Round(value, 2) + 0.0).ToString("0.##", CultureInfo.InvariantCulture); // no "-0"

    private static string Hex(OxyColor color) => $"#{color.R:x2}{color.G:x2}{color.B:x2}";

    private void Runs(List<MathRun> runs, double fontSize)
    {
        double shift = 0;
        foreach (MathRun run in runs)
        {
            if (run.Level == 0 && shift == 0)
            {
                xml.WriteString(run.Text);
                continue;
            }

            xml.WriteStartElement("tspan");
            Attribute("dy", (run.Shift - shift) * fontSize);
            Attribute("font-size", run.Scale * fontSize);
            xml.WriteString(run.Text);
            xml.WriteEndElement();
            shift = run.Shift;
        }
    }

    private void Shape(string element, OxyRect area)
    {
        xml.WriteStartElement(element);
        Attribute("x", area.Left);
        Attribute("y", area.Top);
        Attribute("width", area.Width);
        Attribute("height", area.Height);
    }

    private void Points(IEnumerable<ScreenPoint> points) =>
        xml.WriteAttributeString("points", string.Join(' ', points.Select(point => $"{Number(point.X)},{Number(point.Y)}")));

    private void Paint(OxyColor fill, OxyColor stroke, double thickness)
    {
        Fill(fill);
        if (stroke.IsVisible() && thickness > 0)
        {
            xml.WriteAttributeString("stroke", Hex(stroke));
            Attribute("stroke-width", thickness);
            Opacity("stroke-opacity", stroke);
        }
    }

    private void Fill(OxyColor color)
    {
        xml.WriteAttributeString("fill", color.IsVisible() ? Hex(color) : "none");
        if (color.IsVisible())
        {
            Opacity("fill-opacity", color);
        }
    }

    private void Opacity(string name, OxyColor color)
    {
        if (color.A < 0xFF)
        {
            Attribute(name, color.A / 255.0);
        }
    }

    private void Attribute(string name, double value) => xml.WriteAttributeString(name, Number(value));
}
