using System.Text.RegularExpressions;
using System.Xml.Linq;
using Curvature.Viz.Report;
using Xunit;

namespace Curvature.Tests.Viz.Report;

public class PlanContentTests
{
    private static readonly string Page = HtmlReport.Write(PlanContent.Of(PlanSamples.Report));

    [Fact]
    public void Has_the_sections_of_what_was_measured()
    {
        XElement page = Parse(Page);
        Assert.Equal(["Findings", "Bits", "Accuracy", "Pareto frontier", "Sensitivities", "How this was measured"], page.Descendants("h2").Select(heading => heading.Value));
        Assert.Equal(4, page.Descendants("figure").Count());
        string[] captions = [.. page.Descendants("caption").Select(caption => caption.Value)];
        Assert.Equal(["Bits by layer, in the order of the model", "Loss and accuracy", "Plans", "Rank correlation with the measured increase of the loss", "Order of fine-tuning by sensitivity at the plan's bits, the first layer first", "Environment"], captions);
        string text = page.Value.Replace('\u00A0', ' ');
        Assert.Contains("Measured on test.npz with quantized weights; 90.0 % in floating point", text, StringComparison.Ordinal);
        Assert.Contains("Activations are not quantized here", text, StringComparison.Ordinal);
        Assert.Contains("all tied", text, StringComparison.Ordinal);
        Assert.Contains("8 (fixed)", text, StringComparison.Ordinal);
        Assert.Contains("The same numbers at full precision are in plan.json", text, StringComparison.Ordinal);
        Assert.DoesNotMatch(@"https?://(?!www\.w3\.org/(2000/svg|1999/xlink))", Page);
    }

    [Fact]
    public void Quantized_inputs_and_the_samples_of_the_numbers_are_said_as_they_are()
    {
        PlanReport weights = PlanSamples.Report;
        string[] layers = [.. weights.Problem.Table.Layers.Select(layer => layer.Name)];
        var inputs = new PlanInputs(layers.Select((layer, i) => KeyValuePair.Create(layer, i == 0 ? 8 : 4)).ToDictionary());
        string text = HtmlReport.Write(PlanContent.Of(weights with { Measured = weights.Measured! with { Inputs = inputs, TestName = null } })).Replace('\u00A0', ' ');
        Assert.Contains("with quantized weights and inputs of layers;", text, StringComparison.Ordinal);
        Assert.Contains("layers' inputs get 4 or 8 bits", text.Replace("&#39;", "'", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("bits of the input", text, StringComparison.Ordinal);
        Assert.Equal((null, "4 or 8 bits", 4, "4 bits"), (inputs.Common, inputs.Text, new PlanInputs(new Dictionary<string, int> { ["a"] = 4, ["b"] = 32 }).Common, new PlanInputs(new Dictionary<string, int> { ["a"] = 4 }).Text));
        Assert.DoesNotContain("with as many bits for a layer's input as for its weight", text.Replace("&#39;", "'", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains($"All numbers are on {weights.Measured!.DataName}, of which", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_alone_makes_a_page_without_accuracy()
    {
        XElement page = Parse(HtmlReport.Write(PlanContent.Of(PlanSamples.OfTable)));
        Assert.Equal(["Findings", "Bits", "Pareto frontier", "Sensitivities", "How this was measured"], page.Descendants("h2").Select(heading => heading.Value));
    }

    [Fact]
    public void Hostile_names_stay_text()
    {
        string page = HtmlReport.Write(PlanContent.Of(PlanSamples.Named(Samples.Hostile)));
        Assert.DoesNotContain("<script>alert", page, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(Regex.Count(Page, "</script"), Regex.Count(page, "</script"));
    }

    [Fact]
    public void Files_are_written_together()
    {
        using var folder = new TemporaryFolder();
        IReadOnlyList<string> files = PlanWriter.Write(PlanSamples.Report, "{}\n", folder.File("plan"));
        Assert.Equal(["plan.html", "plan.json", "bits.svg", "plan-quality.svg", "pareto.svg", "sensitivities.svg"], files.Select(Path.GetFileName));
        Assert.Equal(Page, File.ReadAllText(files[0]));
    }

    private static XElement Parse(string html) => XElement.Parse(html[html.IndexOf("<html", StringComparison.Ordinal)..]);
}
