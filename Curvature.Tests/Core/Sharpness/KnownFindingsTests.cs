using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Sharpness;
using Xunit;

namespace Curvature.Tests.Core.Sharpness;

public class KnownFindingsTests
{
    private static readonly SharpnessSummary Nothing = new() { Parameters = 100 };

    [Fact]
    public void Lists_every_rule_of_the_assembly_once()
    {
        IEnumerable<Type> rules = typeof(IFindingRule).Assembly.GetTypes().Where(type => type.IsClass && type.IsAssignableTo(typeof(IFindingRule)));
        Assert.Equal(rules.OrderBy(type => type.Name), KnownFindings.Rules.Select(rule => rule.GetType()).OrderBy(type => type.Name));
        Assert.Equal(KnownFindings.Rules.Count, KnownFindings.Rules.Select(rule => rule.Id).Distinct().Count());
    }

    [Fact]
    public void Says_nothing_about_nothing() => Assert.Empty(KnownFindings.Examine(Nothing));

    [Fact]
    public void Reports_a_non_finite_number_as_an_error_first()
    {
        var findings = KnownFindings.Examine(Nothing with { Loss = double.NaN, Eigenvalues = [new(4, 1e-9, true)] });
        Assert.Equal(["non-finite", "stable-learning-rate"], findings.Select(finding => finding.Id));
        Assert.Equal(Severity.Error, findings[0].Severity);
        Assert.Contains("loss", findings[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Reports_the_worst_residual_of_what_did_not_converge()
    {
        Finding finding = Single("not-converged", Nothing with { Eigenvalues = [new(4, 1e-9, true), new(2, 0.25, false), new(1, 0.5, false)] });
        Assert.Equal(0.5, finding.Evidence["largest_residual"]);
        Assert.StartsWith("2 of 3 eigenvalues", finding.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1e-4, 1e-5, "Allow more products")]
    [InlineData(1e-6, 1e-5, "--dtype float64")]
    [InlineData(1e-15, 1e-14, "ask for a looser tolerance")]
    public void Advises_what_helps_an_eigenvalue_that_did_not_converge(double residual, double rounding, string remedy) => Assert.Contains(
        remedy,
        Single("not-converged", Nothing with { Eigenvalues = [new(1, residual, false)], EigenvalueRounding = rounding }).Message,
        StringComparison.Ordinal);

    [Fact]
    public void Warns_of_a_list_of_eigenvalues_that_may_lack_some() =>
        Assert.Contains("ran out", Single("not-confirmed", Nothing with { Eigenvalues = [new(4, 0, true)], EigenvaluesAreComplete = false }).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(-1, 0.01, 10, Severity.Info)]
    [InlineData(-9, 0.01, 10, Severity.Warning)]
    public void Weighs_negative_curvature_against_the_largest_eigenvalue(double smallest, double residual, double largest, Severity severity) =>
        Assert.Equal(severity, Single("negative-curvature", Nothing with { Eigenvalues = [new(largest, residual, true), new(smallest, residual, true)] }).Severity);

    [Theory]
    [InlineData(Spectrum.Both, "100 % of the largest magnitude")]
    [InlineData(Spectrum.Magnitude, "100 % of the largest magnitude")]
    [InlineData(Spectrum.Smallest, "is not known")]
    [InlineData(Spectrum.Largest, "is not known")]
    public void Claims_a_share_of_the_largest_magnitude_only_where_that_was_looked_for(Spectrum which, string says)
    {
        Finding finding = Single("negative-curvature", Nothing with { Which = which, Eigenvalues = [new(-9, 0.01, true), new(-8, 0.01, true)] });
        Assert.Contains(says, finding.Message, StringComparison.Ordinal);
        Assert.Equal(says[0] == '1', finding.Evidence.ContainsKey("share_of_largest"));
        Assert.Equal(says[0] == '1' ? Severity.Warning : Severity.Info, finding.Severity);
    }

    [Fact]
    public void Takes_the_largest_magnitude_from_a_density_beside_the_smallest_eigenvalues()
    {
        var density = new SpectralDensity(100, [new QuadratureRule([-0.005, 10], [0.5, 0.5])], 0.1, 2);
        Finding finding = Single("negative-curvature", Nothing with { Which = Spectrum.Smallest, Eigenvalues = [new(-0.05, 1e-4, true)], Density = density });
        Assert.Equal(0.005, (double)finding.Evidence["share_of_largest"]!, 1e-12);
        Assert.Equal(Severity.Info, finding.Severity);
    }

    [Fact]
    public void Does_not_take_rounding_for_negative_curvature_where_the_scale_is_not_known() => Assert.DoesNotContain(
        KnownFindings.Examine(Nothing with { Which = Spectrum.Smallest, Eigenvalues = [new(-1e-6, 5e-7, true)], EigenvalueRounding = 8e-6 }),
        finding => finding.Id == "negative-curvature");

    [Fact]
    public void Says_how_many_of_the_eigenvalues_asked_for_were_found()
    {
        Finding finding = Single("not-converged", Nothing with { EigenvaluesWanted = 5, EigenvaluesAreComplete = false, Eigenvalues = [new(4, 1e-9, true), new(2, 0.25, false)] });
        Assert.StartsWith("5 eigenvalues were asked for; the products sufficed for 2, of which 1 converged; of the others each is known to within its residual, at worst 0.25.", finding.Message, StringComparison.Ordinal);
        Assert.Equal(5, finding.Evidence["wanted"]);
    }

    [Theory]
    [InlineData(Spectrum.Smallest, -2)]
    [InlineData(Spectrum.Smallest, 2)]
    [InlineData(Spectrum.Magnitude, -2)]
    public void Calls_no_eigenvalue_the_largest_where_the_largest_is_not_among_those_found(Spectrum which, double found)
    {
        SharpnessSummary summary = Nothing with { Which = which, Eigenvalues = [new(-3, 0, true), new(found, 0, true)] };
        Assert.Null(summary.Largest);
        Assert.Equal(found, (summary with { Parameters = 2 }).Largest?.Value); // all there are
        Assert.DoesNotContain(KnownFindings.Examine(summary), finding => finding.Id == "stable-learning-rate");
    }

    [Fact]
    public void Does_not_call_an_eigenvalue_negative_within_its_residual() =>
        Assert.DoesNotContain(
            KnownFindings.Examine(Nothing with { Eigenvalues = [new(10, 0.2, true), new(-0.1, 0.2, false)] }),
            finding => finding.Id == "negative-curvature");

    [Theory]
    [InlineData(1, 100, true)]
    [InlineData(19, 100, true)]
    [InlineData(20, 100, false)]
    [InlineData(3, 3, false)] // all there are
    public void Warns_of_a_density_of_few_steps(int steps, long dimension, bool warns)
    {
        QuadratureRule rule = new([.. Enumerable.Range(1, steps).Select(i => (double)i)], [.. Enumerable.Repeat(1.0 / steps, steps)]);
        var density = new SpectralDensity(dimension, [rule, rule], 0.1, 2 * steps);
        Assert.Equal(warns, KnownFindings.Examine(Nothing with { Density = density }).Any(finding => finding.Id == "coarse-density"));
    }

    [Fact]
    public void Sees_negative_curvature_in_a_density()
    {
        var density = new SpectralDensity(100, [new QuadratureRule([-3, 10], [0.5, 0.5])], 0.1, 2);
        Assert.Equal(-3.0, Single("negative-curvature", Nothing with { Density = density }).Evidence["eigenvalue"]);
    }

    [Fact]
    public void Names_the_layer_that_holds_most_of_the_trace()
    {
        var trace = new TraceEstimate(
            new Estimate(10, 0.1, 64, 64),
            [new LayerTrace("fc1", 80, new Estimate(2, 0.1, 64, 64)), new LayerTrace("fc2", 20, new Estimate(8, 0.1, 64, 64))]);
        Assert.StartsWith("Layer fc2 holds 80 % of the trace with 20 % of the parameters", Single("dominant-layer", Nothing with { Trace = trace }).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(80, 81, 20, 19)] // the share of its parameters
    [InlineData(86, 90, 14, 10)] // hardly more
    [InlineData(50, 45, 50, 55)] // no more than half
    public void Names_no_layer_whose_share_of_the_trace_is_what_its_size_makes_of_it(long size, double trace, long otherSize, double otherTrace) =>
        Assert.DoesNotContain(KnownFindings.Examine(Layers(("a", size, trace), ("b", otherSize, otherTrace))), finding => finding.Id == "dominant-layer");

    [Fact]
    public void Weighs_layers_by_magnitude_where_some_curve_downwards()
    {
        Finding finding = Single("dominant-layer", Layers(("a", 10, 9), ("b", 45, -2), ("c", 45, 1)));
        Assert.StartsWith("Layer a holds 75 % of the layers' traces, counted by magnitude, with 10 % of the parameters", finding.Message, StringComparison.Ordinal);
        Assert.Equal(0.75, finding.Evidence["share_of_trace"]);
        Assert.StartsWith("Layer b holds 80 %", Single("dominant-layer", Layers(("a", 90, 2), ("b", 10, -8))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_no_layer_whose_interval_reaches_down_to_half_of_the_trace() => Assert.DoesNotContain(
        KnownFindings.Examine(Layers(2.5, ("a", 10, 8), ("b", 90, 2))), finding => finding.Id == "dominant-layer");

    [Fact]
    public void Warns_of_a_trace_with_a_wide_interval() =>
        Assert.Equal(Severity.Warning, Single("imprecise-trace", Nothing with { Trace = new TraceEstimate(new Estimate(1, 0.5, 8, 8), []) }).Severity);

    [Fact]
    public void Says_of_one_probe_that_its_error_is_unknown()
    {
        var findings = KnownFindings.Examine(Nothing with { Trace = new TraceEstimate(Estimate.FromSamples([1.5], 1), []) });
        Assert.Equal(["imprecise-trace"], findings.Select(finding => finding.Id));
    }

    [Fact]
    public void Takes_the_learning_rate_limit_from_the_largest_eigenvalue_converged_or_not() =>
        Assert.Equal(0.4, Single("stable-learning-rate", Nothing with { Eigenvalues = [new(-9, 0, true), new(5, 1, false), new(4, 0, true)] }).Evidence["learning_rate"]);

    private static SharpnessSummary Layers(params (string Name, long Parameters, double Trace)[] layers) => Layers(0.01, layers);

    private static SharpnessSummary Layers(double error, params (string Name, long Parameters, double Trace)[] layers) => Nothing with
    {
        Trace = new TraceEstimate(
            new Estimate(layers.Sum(layer => layer.Trace), error, 64, 64),
            [.. layers.Select(layer => new LayerTrace(layer.Name, layer.Parameters, new Estimate(layer.Trace, error, 64, 64)))]),
    };

    private static Finding Single(string id, SharpnessSummary summary) => Assert.Single(KnownFindings.Examine(summary), finding => finding.Id == id);
}
