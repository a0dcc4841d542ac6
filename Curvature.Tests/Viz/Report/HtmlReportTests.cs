using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;
using Curvature.Estimators;
using Curvature.Krylov;
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
            name is "link" or "img" or "iframe" or "object" or "image");
        Assert.DoesNotContain(page.DescendantsAndSelf().Attributes().Select(attribute => attribute.Name.LocalName), name =>
            name is "src" or "href" or "srcset" or "action" || name.StartsWith("on", StringComparison.Ordinal));
        Assert.DoesNotMatch(@"@import|url\((?!#)", Page);
        Assert.DoesNotMatch(@"https?://(?!www\.w3\.org/(2000/svg|1999/xlink))", Page);
        Assert.Contains("default-src 'none'", Page, StringComparison.Ordinal);
        Assert.InRange(Page.Length, 5_000, 1_000_000);
    }

    [Fact]
    public void Stays_below_a_megabyte_with_a_thousand_eigenvalues_and_a_plane_of_31_by_31_points()
    {
        double[] positions = [.. Enumerable.Range(0, 31).Select(i => (i - 15) / 15.0)];
        SharpnessSummary summary = Samples.Summary with
        {
            ExactEigenvalues = null,
            Eigenvalues = [.. Enumerable.Range(1, 1000).Select(i => new Eigenvalue(12345.678 / i, 1.2345e-5 * i, i < 900))],
            Landscape = Samples.Landscape with { Surface = new(positions, positions, [.. positions.Select(y => positions.Select(x => 1.1234567 + (x * x) + (3.3 * y * y) + Math.Sin(7 * x * y)).ToArray())]) },
        };
        string page = HtmlReport.Write(SharpnessContent.Of(Samples.Report with { Summary = summary }));
        Assert.InRange(Encoding.UTF8.GetByteCount(page), 300_000, 1_000_000);
        Assert.Contains("Drawn are the 100 of the largest magnitude of 1,000; the table has all.", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Runs_one_small_script_that_its_policy_names_and_that_makes_no_code_of_text()
    {
        XElement[] scripts = [.. Elements(Parse(Page), "script")];
        XElement script = Assert.Single(scripts, element => element.Attribute("type") is null);
        string hash = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Regex.Match(Page, "<script>(.*?)</script>", RegexOptions.Singleline).Groups[1].Value)));
        Assert.Contains($"script-src 'sha256-{hash}'", Page, StringComparison.Ordinal);
        Assert.DoesNotMatch(@"\beval\b|\bFunction\b|fetch\(|XMLHttpRequest|WebSocket|import\s*\(|innerHTML|document\.write|setTimeout\(['""]", script.Value);
        Assert.InRange(script.Value.Length, 1000, 15_000);
        Assert.All(scripts.Where(element => element != script), data =>
        {
            Assert.Equal("application/json", data.Attribute("type")!.Value);
            Assert.NotEmpty(JsonDocument.Parse(data.Value).RootElement.GetProperty("series").EnumerateArray());
        });
    }

    [Fact]
    public void Says_for_each_figure_what_can_be_pointed_at_and_shows_the_usual_scale_without_a_script()
    {
        XElement[] figures = [.. Elements(Parse(Page), "figure")];
        Assert.All(figures, figure =>
        {
            XElement[] scaled = [.. Elements(figure, "div").Where(div => div.Attribute("class")!.Value == "scaled")];
            Assert.Equal(2, scaled.Length);
            Assert.Equal(["linear", "logarithmic"], scaled.Select(frame => frame.Attribute("data-scale")!.Value).Order());
            Assert.Null(scaled[0].Attribute("hidden"));
            Assert.NotNull(scaled[1].Attribute("hidden"));
            Assert.All(scaled, frame => Assert.Single(Elements(frame, "script")));
        });
        JsonElement bars = JsonDocument.Parse(Elements(figures[2], "script").First().Value).RootElement;
        JsonElement hidden = bars.GetProperty("series")[0].GetProperty("marks")[1];
        Assert.Equal(("trace", "21.5\u00A0±\u00A01.1", "hidden"), (bars.GetProperty("across").GetString(), hidden[2].GetString(), hidden[3].GetString()));
    }

    [Fact]
    public void Stays_below_a_megabyte_for_a_large_network_with_a_dense_spectrum_and_fine_slices()
    {
        double[] nodes = [.. Enumerable.Range(0, 150).Select(i => -20 + (0.8 * i) + Math.Sin(i))];
        QuadratureRule Run(int seed) => new([.. nodes.Select((node, i) => node + (0.3 * Math.Sin((seed + 1) * i)))], [.. nodes.Select((_, i) => (1 + Math.Cos(i * (seed + 2))) / 150)]);
        double[] positions = [.. Enumerable.Range(0, 101).Select(i => -1 + (0.02 * i))];
        SharpnessSummary large = Samples.Summary with
        {
            Parameters = 25_000_000,
            ExactEigenvalues = null,
            ExactLayerTraces = null,
            Density = new(25_000_000, [.. Enumerable.Range(0, 8).Select(Run)], 0.05, 1200),
            Eigenvalues = [.. Enumerable.Range(0, 50).Select(i => new Eigenvalue(100 - i, 1e-3, true))],
            Trace = new(new Estimate(1e5, 100, 64, 64), [.. Enumerable.Range(0, 160).Select(i => new LayerTrace($"layer{i / 16}.block{i % 16}.convolution.weight", 150_000, new Estimate(600 + i, 20, 64, 64)))]),
            Landscape = Samples.Landscape with
            {
                Curves = [.. Samples.Landscape.Curves.Select(curve => (curve.Name, new LandscapeCurve(positions, [.. positions.Select(t => 1 + (t * t))])))],
                Surface = new(positions, positions, [.. positions.Select(y => (double[])[.. positions.Select(x => 0.1 + (x * x) + (2 * y * y))])]),
            },
        };
        string page = HtmlReport.Write(SharpnessContent.Of(Samples.Report with { Summary = large }));
        Assert.InRange(Encoding.UTF8.GetByteCount(page), 300_000, 1_000_000);
    }

    [Fact]
    public void Cells_say_what_they_are_sorted_by()
    {
        XElement[] cells = [.. Elements(Parse(Page), "td").Concat(Elements(Parse(Page), "th")).Where(cell => cell.Attribute("data-value") is not null)];
        Assert.Contains(cells, cell => cell.Value == "0.22" && cell.Attribute("data-value")!.Value == "0.22");
        Assert.Contains(cells, cell => cell.Value == "1,000" && cell.Attribute("data-value")!.Value == "1000");
        Assert.Contains(cells, cell => cell.Value == "1.0\u00A0×\u00A010⁻⁵" && cell.Attribute("data-value")!.Value == "1E-05");
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
        Assert.Equal(28, pictures.Length); // seven figures on two scales in two looks
        Assert.Equal(14, pictures.Count(picture => picture.Attribute("class")!.Value == "light"));
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
    public void Calls_no_learning_rate_stable_by_an_eigenvalue_that_did_not_converge()
    {
        SharpnessSummary summary = Samples.Summary with { Eigenvalues = [new(2, 0.5, false)] };
        SharpnessReport report = Samples.Report with { Summary = summary, Findings = KnownFindings.Examine(summary) };
        string text = Parse(HtmlReport.Write(SharpnessContent.Of(report))).Value.Replace('\u00A0', ' ');
        Assert.Contains("at least 2.000", text, StringComparison.Ordinal);
        Assert.Contains("not stable beyond a learning rate of 2 / λmax = 1.00", text, StringComparison.Ordinal);
        Assert.DoesNotContain("is stable up to", text, StringComparison.Ordinal);
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
        Assert.DoesNotContain("<script>alert", page, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(Regex.Count(Page, "<script"), Regex.Count(page, "<script"));
        Assert.Equal(Regex.Count(Page, "</script"), Regex.Count(page, "</script"));
        Assert.Contains("</svg><script>alert('x')</script> & \"q\" \uFFFD \uFFFD ]]> {0} ^{", Parse(page).Value, StringComparison.Ordinal);
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
        WithoutStyleAndScript(HtmlReport.Write(new ReportContent
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

    private static string WithoutStyleAndScript(string page) => Regex.Replace(
        Regex.Replace(page, "(?<=<(style|script)>).*?(?=</(style|script)>)", "", RegexOptions.Singleline), "sha256-[^']*", "sha256-...");

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
