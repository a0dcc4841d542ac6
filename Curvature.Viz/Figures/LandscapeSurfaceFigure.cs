using System.Globalization;
using System.Xml.Linq;
using Curvature.Sharpness;
using OxyPlot;

namespace Curvature.Viz.Figures;

/// <summary>
/// The loss over a plane as a surface seen from above and one side, blue where it is low and orange where it is high, with the checkpoint on it. In a page with its script it can be turned; the SVG says for that in
/// <c>data-</c> attributes what stands where in space. Of many points at most 21 by 21 are drawn; where a loss is not finite the surface has a hole.
/// </summary>
/// <remarks>
/// Parallel projection of the box [−1, 1]² × [0, 1], turned by an azimuth a about the vertical and tilted by an elevation e: with the depth w = x sin a + y cos a a point goes to
/// (x cos a − y sin a, w sin e + (z − 1/2) r cos e), r being the height of the box. Cells are drawn from the farthest to the nearest, which is exact for a surface over a plane seen from above.
/// </remarks>
/// <param name="surface">The losses.</param>
/// <param name="across">Name of the first direction.</param>
/// <param name="up">Name of the second.</param>
/// <param name="scale">Of the loss; null: by its values.</param>
public sealed class LandscapeSurfaceFigure(LandscapeSurface surface, string across, string up, FigureScale? scale = null) : Figure
{
    private const double Azimuth = 35, Elevation = 30, Size = 104, Rise = 1.2, FontSize = 11, Half = 0.5;
    private const int LongestName = 26;

    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    private readonly LandscapeScale _scale = new(surface.Losses.SelectMany(row => row), scale);
    private readonly int[] _columns = [.. LandscapeGrid.Kept(surface.Across.Count)], _rows = [.. LandscapeGrid.Kept(surface.Up.Count)];

    /// <inheritdoc/>
    public override string Name => "landscape-surface";

    /// <inheritdoc/>
    public override string Title => "Loss as a surface";

    /// <inheritdoc/>
    public override double Height => 340;

    /// <inheritdoc/>
    public override FigureScale? Scale => _scale.Drawn;

    /// <inheritdoc/>
    public override Figure? OnOtherScale => _scale.HasBoth ? new LandscapeSurfaceFigure(surface, across, up, _scale.Other) : null;

    /// <inheritdoc/>
    public override string Description
    {
        get
        {
            (double X, double Y, double Loss)[] finite = [.. Points().Where(point => double.IsFinite(point.Loss))];
            return finite.Length == 0
                ? "No loss is finite."
                : $"The loss over a plane, from {NumberText.Of(_scale.Low)} at {Place(finite.MinBy(point => point.Loss))} to {NumberText.Of(_scale.High)} at {Place(finite.MaxBy(point => point.Loss))}"
                  + $"{(_scale.IsLogarithmic ? ", on a logarithmic scale" : "")}{(surface.Gaps > 0 ? $"; at {NumberText.Of(surface.Gaps, "point")} it is not finite" : "")}.";
        }
    }

    private double CentreX => Width / 2;

    private double CentreY => (Height / 2) - 6;

    /// <inheritdoc/>
    public override string ToSvg(FigureTheme theme)
    {
        var svg = new XElement(
            Svg + "svg",
            new XAttribute("width", Number(Width)),
            new XAttribute("height", Number(Height)),
            new XAttribute("viewBox", $"0 0 {Number(Width)} {Number(Height)}"),
            new XAttribute("font-family", "Helvetica, Arial, sans-serif"),
            new XAttribute("font-size", Number(FontSize)),
            new XAttribute("data-columns", Numbers(_columns.Select(i => Unit(surface.Across, i)))),
            new XAttribute("data-rows", Numbers(_rows.Select(j => Unit(surface.Up, j)))),
            new XAttribute("data-heights", string.Join(' ', Points().Select(point => double.IsFinite(point.Loss) ? Number(_scale.Share(point.Loss)) : "-"))),
            new XAttribute("data-view", Numbers([Azimuth, Elevation, Size, Rise, CentreX, CentreY])),
            new XElement(Svg + "rect", new XAttribute("width", Number(Width)), new XAttribute("height", Number(Height)), new XAttribute("fill", Hex(theme.Background))),
            new XElement(
                Svg + "g",
                new XAttribute("fill", "none"),
                new XAttribute("stroke", Hex(theme.Axis)),
                Lines("polygon", (-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)),
                Lines("polyline", (-1, 1, 0), (-1, 1, 1))),
            new XElement(Svg + "g", new XAttribute("stroke", Hex(theme.Background)), new XAttribute("stroke-width", "0.4"), new XAttribute("stroke-linejoin", "round"), Cells(theme)),
            new XElement(Svg + "g", new XAttribute("fill", Hex(theme.Ink)), new XAttribute("text-anchor", "middle"), Checkpoint(theme), Labels()));
        return svg.ToString(SaveOptions.DisableFormatting);
    }

    /// <inheritdoc/>
    public override FigureMarks Marks()
    {
        IEnumerable<FigureMark> marks = _rows.SelectMany(j => _columns.Select(i => (I: i, J: j, Loss: surface.Losses[j][i]))).Where(point => double.IsFinite(point.Loss)).Select(point =>
        {
            (double x, double y, _) = Project(Unit(surface.Across, point.I), Unit(surface.Up, point.J), _scale.Share(point.Loss));
            return new FigureMark(x, y, NumberText.Of(surface.Across[point.I], 3), $"{NumberText.Of(surface.Up[point.J], 3)}, loss {NumberText.Of(point.Loss)}");
        });
        return new FigureMarks(across, up, [new MarkedSeries("loss", [.. marks])]);
    }

    private static (double X, double Y, double Depth) Turned(double x, double y, double z)
    {
        (double turn, double tilt) = (Azimuth * Math.PI / 180, Elevation * Math.PI / 180);
        double depth = (x * Math.Sin(turn)) + (y * Math.Cos(turn));
        return ((x * Math.Cos(turn)) - (y * Math.Sin(turn)), (depth * Math.Sin(tilt)) + ((z - Half) * Rise * Math.Cos(tilt)), depth);
    }

    private static double Unit(IReadOnlyList<double> positions, int i) => positions[^1] > positions[0] ? (2 * (positions[i] - positions[0]) / (positions[^1] - positions[0])) - 1 : 0;

    private static string Number(double value) => (Math.Round(value, 3) + 0.0).ToString("0.###", CultureInfo.InvariantCulture); // no "-0"

    private static string Numbers(IEnumerable<double> values) => string.Join(' ', values.Select(Number));

    private static string Hex(OxyColor color) => $"#{color.R:x2}{color.G:x2}{color.B:x2}";

    private static string Place((double X, double Y, double Loss) point) => $"({NumberText.Of(point.X, 3)}, {NumberText.Of(point.Y, 3)})";

    private IEnumerable<(double X, double Y, double Loss)> Points() => _rows.SelectMany(j => _columns.Select(i => (surface.Across[i], surface.Up[j], surface.Losses[j][i])));

    private (double X, double Y, double Depth) Project(double x, double y, double z)
    {
        (double h, double v, double depth) = Turned(x, y, z);
        return (CentreX + (Size * h), CentreY - (Size * v), depth);
    }

    private string At(double x, double y, double z)
    {
        (double h, double v, _) = Project(x, y, z);
        return $"{Number(Math.Round(h, 2))},{Number(Math.Round(v, 2))}";
    }

    private XElement Lines(string element, params (double X, double Y, double Z)[] points) => new(
        Svg + element,
        new XAttribute("points", string.Join(' ', points.Select(point => At(point.X, point.Y, point.Z)))),
        new XAttribute("data-at", string.Join(' ', points.Select(point => $"{Number(point.X)},{Number(point.Y)},{Number(point.Z)}"))));

    private IEnumerable<XElement> Cells(FigureTheme theme)
    {
        List<(double Depth, XElement Cell)> cells = [];
        for (int j = 0; j + 1 < _rows.Length; j++)
        {
            for (int i = 0; i + 1 < _columns.Length; i++)
            {
                (int I, int J)[] corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)];
                double[] losses = [.. corners.Select(corner => surface.Losses[_rows[corner.J]][_columns[corner.I]])];
                if (losses.All(double.IsFinite))
                {
                    double[] shares = [.. losses.Select(_scale.Share)];
                    (double X, double Y)[] ground = [.. corners.Select(corner => (Unit(surface.Across, _columns[corner.I]), Unit(surface.Up, _rows[corner.J])))];
                    cells.Add((ground.Average(corner => Turned(corner.X, corner.Y, 0).Depth), new XElement(
                        Svg + "polygon",
                        new XAttribute("points", string.Join(' ', ground.Zip(shares, (corner, share) => At(corner.X, corner.Y, share)))),
                        new XAttribute("fill", Hex(theme.Between(shares.Average()))),
                        new XAttribute("data-cell", Number((j * (_columns.Length - 1)) + i)))));
                }
            }
        }

        return cells.OrderByDescending(cell => cell.Depth).Select(cell => cell.Cell);
    }

    /// <summary>A dot on the surface over the origin, where the grid has that point.</summary>
    private IEnumerable<XElement> Checkpoint(FigureTheme theme)
    {
        (int i, int j) = (surface.Across.ToList().IndexOf(0), surface.Up.ToList().IndexOf(0));
        if (i >= 0 && j >= 0 && double.IsFinite(surface.Losses[j][i]))
        {
            (double x, double y, double z) = (Unit(surface.Across, i), Unit(surface.Up, j), _scale.Share(surface.Losses[j][i]));
            (double h, double v, _) = Project(x, y, z);
            yield return new XElement(
                Svg + "circle",
                new XAttribute("cx", Number(h)),
                new XAttribute("cy", Number(v)),
                new XAttribute("r", "3.5"),
                new XAttribute("stroke", Hex(theme.Background)),
                new XAttribute("data-at", $"{Number(x)},{Number(y)},{Number(z)}"));
        }
    }

    private IEnumerable<XElement> Labels()
    {
        const double Near = 1.17, Far = 1.5, Inwards = 0.9; // from the floor's edges and corners
        yield return Label(PrintableName.Of(across, LongestName), 0, -Far, 0);
        yield return Label(NumberText.Of(surface.Across[0], 2), -Inwards, -Near, 0);
        yield return Label(NumberText.Of(surface.Across[^1], 2), Inwards, -Near, 0);
        yield return Label(PrintableName.Of(up, LongestName), -Far, 0, 0);
        yield return Label(NumberText.Of(surface.Up[0], 2), -Near, -Inwards, 0);
        yield return Label(NumberText.Of(surface.Up[^1], 2), -Near, Inwards, 0);
        yield return Label(NumberText.Of(_scale.Low, 3), -Near, Near, 0.05);
        yield return Label(NumberText.Of(_scale.High, 3), -Near, Near, Inwards);
        yield return Label("loss", -Near, Near, Near);
    }

    private XElement Label(string text, double x, double y, double z)
    {
        (double h, double v, _) = Project(x, y, z);
        return new XElement(Svg + "text", new XAttribute("x", Number(h)), new XAttribute("y", Number(v)), new XAttribute("dy", "4"), new XAttribute("data-at", $"{Number(x)},{Number(y)},{Number(z)}"), text);
    }
}
