using System.Xml.Linq;

namespace Curvature.Viz.Report;

/// <summary>Makes a plot's SVG fit to stand in a page beside others and to be read aloud.</summary>
public static class AccessibleSvg
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    /// <summary>
    /// Adds a title, a description and the image role, makes the picture scale with its frame, and puts <paramref name="prefix"/> before
    /// all ids: those of one page must differ, or the clip of one picture would cut another.
    /// </summary>
    /// <param name="svg">An SVG element.</param>
    /// <param name="prefix">Unique in the page; a letter first.</param>
    /// <param name="title">Short name.</param>
    /// <param name="description">What is to be seen.</param>
    /// <param name="cssClass">Class of the element, if any.</param>
    public static string Of(string svg, string prefix, string title, string description, string? cssClass = null)
    {
        XElement root = XElement.Parse(svg, LoadOptions.None);
        foreach (XElement element in root.DescendantsAndSelf())
        {
            foreach (XAttribute attribute in element.Attributes())
            {
                attribute.Value = attribute.Name == "id"
                    ? $"{prefix}-{attribute.Value}"
                    : attribute.Value.Replace("url(#", $"url(#{prefix}-", StringComparison.Ordinal);
            }
        }

        if (root.Attribute("viewBox") is null)
        {
            root.SetAttributeValue("viewBox", $"0 0 {root.Attribute("width")?.Value} {root.Attribute("height")?.Value}");
        }

        root.SetAttributeValue("class", cssClass);
        root.SetAttributeValue("role", "img");
        root.SetAttributeValue("aria-labelledby", $"{prefix}-title {prefix}-description");
        root.AddFirst(
            new XElement(Svg + "title", new XAttribute("id", $"{prefix}-title"), title),
            new XElement(Svg + "desc", new XAttribute("id", $"{prefix}-description"), description));
        return root.ToString(SaveOptions.DisableFormatting);
    }
}
