using System.Globalization;
using System.Xml.Linq;
using Xunit;

namespace Curvature.Tests.Viz;

/// <summary>Reads what a picture shows, in the dialects of OxyPlot and of the stand-in.</summary>
internal sealed class Svg
{
    private static readonly XNamespace Name = "http://www.w3.org/2000/svg";

    /// <exception cref="System.Xml.XmlException">The text is not well-formed.</exception>
    public Svg(string svg)
    {
        Root = XElement.Parse(svg);
        Assert.Equal(Name + "svg", Root.Name);
        Assert.DoesNotContain("NaN", svg, StringComparison.Ordinal);
        Assert.DoesNotContain("Infinity", svg, StringComparison.Ordinal);
    }

    public XElement Root { get; }

    /// <summary>All written text with subscripts in line and spaces as plain ones.</summary>
    public IReadOnlyList<string> Texts => [.. Root.Descendants(Name + "text").Select(text => text.Value.Replace('\u00A0', ' '))];

    /// <summary>Points of all lines.</summary>
    public IReadOnlyList<(double X, double Y)[]> Lines => Points("polyline");

    /// <summary>Corners of all areas.</summary>
    public IReadOnlyList<(double X, double Y)[]> Polygons => Points("polygon");

    public int Circles => Root.Descendants(Name + "circle").Count() + Root.Descendants(Name + "ellipse").Count();

    public int Rectangles => Root.Descendants(Name + "g").Descendants(Name + "rect").Count();

    private List<(double X, double Y)[]> Points(string element) =>
    [
        .. Root.Descendants(Name + element)
            .Select(line => line.Attribute("points")!.Value.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Point).ToArray()),
    ];

    private static (double X, double Y) Point(string pair)
    {
        string[] parts = pair.Split(',');
        Assert.Equal(2, parts.Length);
        return (double.Parse(parts[0], CultureInfo.InvariantCulture), double.Parse(parts[1], CultureInfo.InvariantCulture));
    }
}
