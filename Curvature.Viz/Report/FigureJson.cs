using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>
/// What can be pointed at in a picture, for the page's script: <c>{"across", "up", "series": [{"title", "marks": [[x, y, across, up], ...]}]}</c>. What could end the element that holds it is escaped.
/// </summary>
internal static class FigureJson
{
    private static readonly JsonSerializerOptions Options = new() { Encoder = JavaScriptEncoder.Create(UnicodeRanges.All) };

    internal static string Of(FigureMarks marks) => JsonSerializer.Serialize(
        new
        {
            across = PrintableName.Of(marks.Across),
            up = PrintableName.Of(marks.Up),
            series = marks.Series.Select(series => new
            {
                title = Plain(series.Title),
                marks = series.Marks.Select(mark => new object[] { Place(mark.X), Place(mark.Y), mark.Across, mark.Up }),
            }),
        },
        Options);

    private static decimal Place(double value) => decimal.Round((decimal)value, 1);

    // A legend's subscripts are marked up as in λ_{max}.
    private static string Plain(string title) => PrintableName.Of(title).Replace("_{", "", StringComparison.Ordinal).Replace("}", "", StringComparison.Ordinal);
}
