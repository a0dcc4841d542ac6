using System.Globalization;
using Curvature.Sharpness;
using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>
/// One HTML file that needs nothing else: style, figures and a small script are inside, and the page's own policy forbids it to fetch anything and to run any other script. It reads whole without its script, which
/// adds sorting of tables, the other scale of figures, values to point at and surfaces to turn. Light or dark by the reader's preference (each figure is there in both), light on paper.
/// </summary>
public static class HtmlReport
{
    /// <summary>The page for <paramref name="content"/>. The same content gives the same bytes.</summary>
    public static string Write(ReportContent content)
    {
        var html = new Markup();
        html.Add($"<!DOCTYPE html>");
        html.Add($"<html lang=\"en\">");
        html.Add($"<head>");
        html.Add($"<meta charset=\"utf-8\" />");
        html.Add($"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />");
        html.Add($"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src '{Markup.Trusted(ReportScript.Hash)}'\" />");
        html.Add($"<title>{content.Kind}: {content.Title}</title>");
        html.Add($"<style>");
        html.Add($"{Markup.Trusted(ReportStyle.Css)}");
        html.Add($"</style>");
        html.Add($"</head>");
        html.Add($"<body>");
        html.Add($"<header>");
        html.Add($"<p class=\"kind\">{content.Kind}</p>");
        html.Add($"<h1>{content.Title}</h1>");
        html.Add($"<p class=\"lead\">{content.Lead}</p>");
        html.Add($"</header>");
        html.Add($"<main>");
        Headlines(html, content.Headlines);
        Findings(html, content.Findings);
        int figures = 0;
        foreach (ReportSection section in content.Sections)
        {
            html.Add($"<section>");
            html.Add($"<h2>{section.Title}</h2>");
            foreach (ReportBlock block in section.Blocks)
            {
                Block(html, block, ref figures);
            }

            html.Add($"</section>");
        }

        Provenance(html, content);
        html.Add($"</main>");
        html.Add($"<footer>Written by Curvature. The same numbers at full precision are in {content.JsonName}.</footer>");
        html.Add($"<script>{Markup.Trusted(ReportScript.Text)}</script>");
        html.Add($"</body>");
        html.Add($"</html>");
        return html.ToString();
    }

    private static void Headlines(Markup html, IReadOnlyList<Headline> headlines)
    {
        if (headlines.Count == 0)
        {
            return;
        }

        html.Add($"<dl class=\"headlines\">");
        foreach (Headline headline in headlines)
        {
            html.Add($"<div><dt>{headline.Label}</dt>");
            html.Add($"<dd class=\"value\">{headline.Value}</dd>");
            html.Add($"<dd class=\"meaning\">{headline.Meaning}</dd></div>");
        }

        html.Add($"</dl>");
    }

    private static void Findings(Markup html, IReadOnlyList<Finding> findings)
    {
        html.Add($"<section>");
        html.Add($"<h2>Findings</h2>");
        if (findings.Count == 0)
        {
            html.Add($"<p>Nothing to note.</p>");
        }
        else
        {
            html.Add($"<ul class=\"findings\">");
            foreach (Finding finding in findings)
            {
                string evidence = string.Join(" · ", finding.Evidence.Select(item => $"{Words(item.Key)} {Value(item.Value)}"));
                html.Add($"<li class=\"{finding.Severity.ToString().ToLowerInvariant()}\">");
                html.Add($"<span class=\"severity\">{finding.Severity}:</span> {finding.Message}");
                html.Add($"<small>{finding.Id}{(evidence.Length > 0 ? " · " : "")}{evidence}</small></li>");
            }

            html.Add($"</ul>");
        }

        html.Add($"</section>");
    }

    private static void Block(Markup html, ReportBlock block, ref int figures)
    {
        switch (block)
        {
            case Paragraph paragraph:
                html.Add($"<p>{paragraph.Text}</p>");
                break;
            case ReportTable table:
                Table(html, table);
                break;
            case ReportFigure figure:
                Figure(html, figure, $"figure-{++figures}");
                break;
        }
    }

    private static void Figure(Markup html, ReportFigure block, string id)
    {
        html.Add($"<figure id=\"{id}\">");
        html.Add($"<div class=\"pictures\">");
        Picture(html, block.Figure, id, "");
        if (block.Figure.OnOtherScale is { } other)
        {
            Picture(html, other, $"{id}-other", " hidden=\"hidden\"");
        }

        html.Add($"</div>");
        html.Add($"<figcaption><strong>{block.Figure.Title}</strong> {block.Caption}</figcaption>");
        html.Add($"</figure>");
    }

    private static void Picture(Markup html, Figure figure, string id, string hidden)
    {
        Markup Svg(FigureTheme theme, string look) => Markup.Trusted(AccessibleSvg.Of(figure.ToSvg(theme), $"{id}-{look}", figure.Title, figure.Description, look));

        html.Add($"<div class=\"scaled\"{Markup.Trusted(figure.Scale is { } scale ? $" data-scale=\"{scale.ToString().ToLowerInvariant()}\"{hidden}" : "")}>");
        html.Add($"<div class=\"picture\">");
        html.Add($"{Svg(FigureTheme.Paper, "light")}");
        html.Add($"{Svg(FigureTheme.Dark, "dark")}");
        if (figure.Marks() is { Series.Count: > 0 } marks)
        {
            html.Add($"<script type=\"application/json\">{Markup.Trusted(FigureJson.Of(marks))}</script>");
        }

        html.Add($"</div>");
        html.Add($"</div>");
    }

    private static void Table(Markup html, ReportTable table)
    {
        html.Add($"<div class=\"table\" role=\"region\" tabindex=\"0\" aria-label=\"{table.Caption}\">");
        html.Add($"<table class=\"sortable\">");
        html.Add($"<caption>{table.Caption}</caption>");
        html.Add($"<thead><tr>");
        foreach (ReportColumn column in table.Columns)
        {
            html.Add($"<th scope=\"col\"{Number(column)}>{column.Title}</th>");
        }

        html.Add($"</tr></thead>");
        html.Add($"<tbody>");
        foreach (IReadOnlyList<string> row in table.Rows)
        {
            html.Add($"<tr>");
            html.Add($"<th scope=\"row\"{Cell(table.Columns[0], row[0])}>{row[0]}</th>");
            for (int i = 1; i < table.Columns.Count; i++)
            {
                html.Add($"<td{Cell(table.Columns[i], row[i])}>{row[i]}</td>");
            }

            html.Add($"</tr>");
        }

        html.Add($"</tbody>");
        html.Add($"</table>");
        html.Add($"</div>");
    }

    private static void Provenance(Markup html, ReportContent content)
    {
        html.Add($"<section>");
        html.Add($"<h2>How this was measured</h2>");
        if (content.Command is { } command)
        {
            html.Add($"<p>This command repeats the report:</p>");
            html.Add($"<pre><code>{command}</code></pre>");
        }

        if (content.Cuts.Count > 0)
        {
            html.Add($"<p>Cut to keep to the time budget:</p>");
            html.Add($"<ul>");
            foreach (string cut in content.Cuts)
            {
                html.Add($"<li>{cut}</li>");
            }

            html.Add($"</ul>");
        }

        html.Add($"<div class=\"table environment\">");
        html.Add($"<table>");
        html.Add($"<caption>Environment</caption>");
        html.Add($"<tbody>");
        foreach ((string name, object? value) in content.Environment)
        {
            html.Add($"<tr><th scope=\"row\">{Words(name)}</th><td>{Value(value)}</td></tr>");
        }

        html.Add($"</tbody>");
        html.Add($"</table>");
        html.Add($"</div>");
        html.Add($"</section>");
    }

    private static Markup Number(ReportColumn column) => Markup.Trusted(column.IsNumeric ? " class=\"number\"" : "");

    /// <summary>The class of a cell and, of a number, what it is sorted by.</summary>
    private static Markup Cell(ReportColumn column, string text) => column.IsNumeric && CellValue.Of(text) is { } value
        ? Markup.Trusted(string.Create(CultureInfo.InvariantCulture, $" class=\"number\" data-value=\"{value:R}\""))
        : Number(column);

    private static string Words(string name) => name.Replace('_', ' ');

    private static string Value(object? value) => value switch
    {
        null => "none",
        double number => NumberText.Of(number),
        string text => text,
        System.Collections.IEnumerable items => string.Join(", ", items.Cast<object?>().Select(Value)),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };
}
