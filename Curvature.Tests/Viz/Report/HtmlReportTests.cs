using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;
using Curvature.Estimators;
using Curvature.Sharpness;
using Curvature.Viz.Report;
using Xunit;

namespace Curvature.Tests.Viz.Report;

public class HtmlReportTests
{
    private static readonly string Page = HtmlReport.Write(SharpnessContent.Of(Samples.Report));

    [Fact]
    public void Needs_nothing_from_elsewhere()
    {
        XElement page = Parse(Page);
        Assert.DoesNotContain(page.Descendants().Select(element => element.Name.LocalName), name =>
            name is "script" or "link" or "img" or "iframe" or "object" or "image");
        Assert.DoesNotContain(page.DescendantsAndSelf().Attributes().Select(attribute => attribute.Name.LocalName), name =>
            name is "src" or "href" or "srcset" or "action" || name.StartsWith("on", StringComparison.Ordinal));
        Assert.DoesNotMatch(@"@import|url\((?!#)", Page);
        Assert.DoesNotMatch(@"https?://(?!www\.w3\.org/(2000/svg|1999/xlink))", Page);
        Assert.Contains("default-src 'none'", Page, StringComparison.Ordinal);
        Assert.InRange(Page.Length, 5_000, 1_000_000);
    }

    [Fact]
    public void Has_headings_captions_and_ids_that_a_reader_can_rely_on()
    {
        XElement page = Parse(Page);
        Assert.Equal("en", page.Attribute("lang")!.Value);
        Assert.Single(Elements(page, "h1"));
        Assert.Equal(
            ["Findings", "Estimates", "Spectrum", "Eigenvalues", "Layers", "Stability", "Batch sizes", "Landscape", "How this was measured"],
            Elements(page, "h2").Select(heading => heading.Value));
        Assert.All(Elements(page, "table"), table => Assert.Single(Elements(table, "caption")));
        Assert.All(Elements(page, "th"), heading => Assert.NotNull(heading.Attribute("scope")));
        string[] ids = [.. page.Descendants().Attributes("id").Select(id => id.Value)];
        Assert.Equal(ids.Distinct(), ids);
        Assert.All(Regex.Matches(Page, @"url\(#([^)]*)\)"), link => Assert.Contains(link.Groups[1].Value, ids));
    }

    [Fact]
    public void Holds_each_figure_in_both_looks_with_words_for_it()
    {
        XElement page = Parse(Page);
        XElement[] pictures = [.. Elements(page, "svg")];
        Assert.Equal(12, pictures.Length);
        Assert.Equal(6, pictures.Count(picture => picture.Attribute("class")!.Value == "light"));
        Assert.All(pictures, picture =>
        {
            Assert.Equal("img", picture.Attribute("role")!.Value);
            Assert.NotNull(picture.Attribute("viewBox"));
            string[] labels = picture.Attribute("aria-labelledby")!.Value.Split(' ');
            Assert.Equal(labels, picture.Elements().Take(2).Select(element => element.Attribute("id")!.Value));
            Assert.All(picture.Elements().Take(2), element => Assert.NotEmpty(element.Value));
        });
    }

    [Fact]
    public void Says_what_the_numbers_mean_and_puts_exact_ones_beside_estimates()
    {
        string text = Parse(Page).Value.Replace('\u00A0', ' ');
        Assert.Contains("stable up to a learning rate of 2 / λmax = 0.222", text, StringComparison.Ordinal);
        Assert.Contains("27.5 ± 1.2", text, StringComparison.Ordinal);
        Assert.Contains("curvature report sample-net --data sample.npz --loss mse --seed 0", text, StringComparison.Ordinal);
        Assert.Contains("The density took 3 runs instead of 8.", text, StringComparison.Ordinal);
        SharpnessReport dear = Samples.Report with { Summary = Products(64) };
        Assert.Equal(["trace", "27.50", "1.2", "24.84 to 30.16", "27.22", "0.22", "64"], Row(dear, "trace"));
        Assert.Equal(["hidden", "25", "21.50", "1.1", "78.2 %", "0.860", "21.97", "−0.42"], Row(Samples.Report, "hidden"));
        Assert.Equal(["3", "2.90000", "0.25", "no", "3.00000", "−0.10"], Row(Samples.Report, "3"));
    }

    [Fact]
    public void Leaves_out_what_was_not_measured()
    {
        SharpnessReport little = Samples.Report with
        {
            Summary = new SharpnessSummary { Parameters = 40, Loss = 1, Trace = new(Estimate.Exact(3, 40), []) },
            Command = null,
            Cuts = [],
            Findings = [],
        };
        XElement page = Parse(HtmlReport.Write(SharpnessContent.Of(little)));
        Assert.Equal(["Findings", "Estimates", "How this was measured"], Elements(page, "h2").Select(heading => heading.Value));
        Assert.Equal(
            ["quantity", "estimate", "standard error", "95 % interval", "products"],
            Elements(page, "th").Where(heading => heading.Attribute("scope")!.Value == "col").Select(heading => heading.Value));
        Assert.Contains("Nothing to note.", page.Value, StringComparison.Ordinal);
        Assert.Empty(Elements(page, "pre"));
    }

    [Fact]
    public void Escapes_whatever_names_hold()
    {
        string page = HtmlReport.Write(SharpnessContent.Of(Samples.Named(Samples.Hostile)));
        Assert.DoesNotContain("<script", page, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("</svg><script>alert('x')</script> & \"q\" \uFFFD \uFFFD ]]> {0} ^{", Parse(page).Value, StringComparison.Ordinal);
        Assert.Empty(Parse(page).Descendants("script"));
    }

    [Fact]
    public void Survives_numbers_that_are_not_finite()
    {
        XElement page = Parse(HtmlReport.Write(SharpnessContent.Of(Samples.Report with { Summary = Samples.NotFinite })));
        Assert.Contains("not a number", page.Value, StringComparison.Ordinal);
    }

    [Fact]
    public void Is_the_same_bytes_under_a_decimal_comma()
    {
        using var culture = new DecimalComma();
        Assert.Equal(Page, HtmlReport.Write(SharpnessContent.Of(Samples.Report)));
    }

    [Fact]
    public void Has_the_approved_markup() => Approved.Matches(
        WithoutStyle(HtmlReport.Write(new ReportContent
        {
            Kind = "Report",
            Title = "A title & more",
            Lead = "A sentence.",
            Headlines = [new("Label", "1.0 ± 0.1", "What it means.")],
            Findings =
            [
                Finding.Of("an-id", Severity.Warning, "A message.", ("some_number", 0.5), ("names", new[] { "a", "b" }), ("nothing", null)),
            ],
            Sections =
            [
                new("Section", [
                    new Paragraph("Words."),
                    new ReportTable("Caption", [new("name", IsNumeric: false), new("number")], [["a", "1"], ["b", "2"]])]),
            ],
            Command = "curvature report",
            Cuts = ["A cut."],
            Environment = [new("two_words", 1.5), new("text", "value"), new("none", null)],
        })),
        "Curvature.Tests/Viz/Approved/skeleton.html");

    private static string WithoutStyle(string page) => Regex.Replace(page, "<style>.*</style>", "<style></style>", RegexOptions.Singleline);

    private static SharpnessSummary Products(int products) => Samples.Summary with
    {
        Trace = Samples.Trace with { Total = Samples.Trace.Total with { Products = products } },
    };

    private static IEnumerable<string> Row(SharpnessReport report, string first) =>
        Elements(Parse(HtmlReport.Write(SharpnessContent.Of(report))), "tr")
            .Single(row => row.Elements().First().Value == first && row.Elements().Count() > 2)
            .Elements().Select(cell => cell.Value.Replace('\u00A0', ' '));

    private static IEnumerable<XElement> Elements(XElement page, string name) =>
        page.Descendants().Where(element => element.Name.LocalName == name);

    /// <summary>The page is written so that it is well-formed XML too.</summary>
    private static XElement Parse(string html)
    {
        using var reader = XmlReader.Create(new StringReader(html), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore });
        return XElement.Load(reader);
    }
}
