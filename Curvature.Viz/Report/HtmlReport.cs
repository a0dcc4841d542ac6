using System.Globalization;
using Curvature.Sharpness;
using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>
/// One HTML file that needs nothing else: style and figures are inside, there is no script, and the page's own policy forbids it to fetch
/// anything. Light or dark by the reader's preference (each figure is there in both), light on paper.
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
        html.Add($"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\" />");
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
        Markup Svg(FigureTheme theme, string look) => Markup.Trusted(
            AccessibleSvg.Of(block.Figure.ToSvg(theme), $"{id}-{look}", block.Figure.Title, block.Figure.Description, look));

        html.Add($"<figure id=\"{id}\">");
        html.Add($"{Svg(FigureTheme.Paper, "light")}");
        html.Add($"{Svg(FigureTheme.Dark, "dark")}");
        html.Add($"<figcaption><strong>{block.Figure.Title}</strong> {block.Caption}</figcaption>");
        html.Add($"</figure>");
    }

    private static void Table(Markup html, ReportTable table)
    {
        html.Add($"<div class=\"table\" role=\"region\" tabindex=\"0\" aria-label=\"{table.Caption}\">");
        html.Add($"<table>");
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
            html.Add($"<th scope=\"row\"{Number(table.Columns[0])}>{row[0]}</th>");
            for (int i = 1; i < table.Columns.Count; i++)
            {
                html.Add($"<td{Number(table.Columns[i])}>{row[i]}</td>");
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
