using System.Text.Json;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Sharpness;
using Curvature.Viz.Report;
using Xunit;

namespace Curvature.Tests.Viz.Report;

public class JsonReportTests
{
    [Fact]
    public void Puts_the_environment_first_and_the_findings_last()
    {
        JsonReport report = new JsonReport([new("seed", 0)]).Add("trace", Estimate.Exact(1, 2)).Add("eigenvalues", Array.Empty<Eigenvalue>());
        JsonElement root = Parse(report.Write([]));
        Assert.Equal(["environment", "trace", "eigenvalues", "findings"], root.EnumerateObject().Select(member => member.Name));
        Assert.Equal(0, root.GetProperty("environment").GetProperty("seed").GetInt32());
    }

    [Fact]
    public void Writes_estimates_eigenvalues_layers_and_findings_by_the_contract()
    {
        string json = new JsonReport([])
            .Add("trace", new Estimate(1.5, 0.25, 8, 4))
            .Add("eigenvalues", new[] { new Eigenvalue(-2, 1e-7, true) })
            .Add("layers", new[] { new LayerTrace("a.b", 3, new Estimate(0.5, 0, 8, 0)) })
            .Write([Finding.Of("an-id", Severity.Warning, "λ < 0", ("number", 0.1), ("list", new[] { 1, 2 }))]);
        Assert.Equal(
            """
            {"environment":{},"trace":{"value":1.5,"standard_error":0.25,"products":8},
            "eigenvalues":[{"value":-2,"residual":1E-07,"converged":true}],
            "layers":[{"name":"a.b","parameters":3,"trace":{"value":0.5,"standard_error":0,"products":8}}],
            "findings":[{"id":"an-id","severity":"warning","message":"λ \u003C 0","evidence":{"number":0.1,"list":[1,2]}}]}
            """.ReplaceLineEndings(""),
            string.Concat(json.Split('\n').Select(line => line.Trim())).Replace("\": ", "\":", StringComparison.Ordinal));
    }

    [Fact]
    public void Writes_null_for_what_is_not_finite_and_says_where()
    {
        JsonElement root = Parse(new JsonReport([new("load", double.NaN)])
            .Add("trace", new Estimate(1, double.NaN, 1, 1))
            .Add("list", new[] { 1.0, double.PositiveInfinity })
            .Write([]));
        Assert.Equal(JsonValueKind.Null, root.GetProperty("trace").GetProperty("standard_error").ValueKind);
        JsonElement finding = Assert.Single(root.GetProperty("findings").EnumerateArray());
        Assert.Equal("non-finite", finding.GetProperty("id").GetString());
        JsonElement paths = finding.GetProperty("evidence").GetProperty("paths");
        Assert.Equal(["environment.load", "trace.standard_error", "list[1]"], paths.EnumerateArray().Select(path => path.GetString()));
    }

    [Theory]
    [InlineData(double.NaN, "info")]
    [InlineData(double.PositiveInfinity, "error")]
    public void A_standard_error_is_unknown_where_it_is_not_a_number_and_wrong_where_it_is_infinite(double error, string severity)
    {
        string Finding(string name, object value) => Assert.Single(Parse(new JsonReport([]).Add(name, value).Write([])).GetProperty("findings").EnumerateArray()).GetProperty("severity").GetString()!;
        Assert.Equal(severity, Finding("trace", new Estimate(1, error, 1, 1)));
        Assert.Equal(severity, Finding("standard_error", new Dictionary<string, object?> { ["4"] = error, ["8"] = 0.1 }));
        Assert.Equal(severity, Finding("trace_standard_error", new[] { 1, error }));
        Assert.Equal(severity, Finding("standard_error", (float)error));
        Assert.Equal("error", Finding("standard_error_of", error));
    }

    [Fact]
    public void Does_not_say_twice_that_something_is_not_finite()
    {
        Finding known = Finding.Of("non-finite", Severity.Error, "Known.");
        Assert.Equal(1, Parse(new JsonReport([]).Add("loss", double.NaN).Write([known])).GetProperty("findings").GetArrayLength());
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(-1e-300)]
    [InlineData(1.7976931348623157e308)]
    [InlineData(3.0000000000000004)]
    public void Writes_numbers_that_read_back_to_the_same_bits(double value)
    {
        using var culture = new DecimalComma();
        Assert.Equal(value, Parse(new JsonReport([]).Add("x", value).Write([])).GetProperty("x").GetDouble());
    }

    [Fact]
    public void Holds_everything_that_a_sharpness_report_shows()
    {
        JsonElement root = Parse(SharpnessJson.Write(Samples.Report));
        Assert.Equal("environment", root.EnumerateObject().First().Name);
        Assert.Equal("findings", root.EnumerateObject().Last().Name);
        Assert.Equal(27.5, root.GetProperty("trace").GetProperty("value").GetDouble());
        Assert.Equal(2 / 9.0, root.GetProperty("largest_stable_learning_rate").GetDouble());
        JsonElement eigenvalues = root.GetProperty("eigenvalues");
        Assert.Equal([9, 5.5, 2.9, -0.9], eigenvalues.EnumerateArray().Select(item => item.GetProperty("value").GetDouble()));
        Assert.Equal(3, root.GetProperty("density").GetProperty("runs").GetArrayLength());
        Assert.Equal(2, root.GetProperty("landscape").GetProperty("curves").GetArrayLength());
        Assert.Equal(40, root.GetProperty("exact").GetProperty("eigenvalues").GetArrayLength());
        Assert.Equal(Samples.Report.Findings.Count, root.GetProperty("findings").GetArrayLength());
    }

    [Fact]
    public void Survives_numbers_that_are_not_finite_and_hostile_names()
    {
        Parse(SharpnessJson.Write(Samples.Named(Samples.Hostile)));
        JsonElement root = Parse(SharpnessJson.Write(Samples.Report with { Summary = Samples.NotFinite, Findings = [] }));
        Assert.Equal("non-finite", root.GetProperty("findings")[0].GetProperty("id").GetString());
    }

    private static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}
