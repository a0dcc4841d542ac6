using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature measure density</c>.</summary>
internal sealed class MeasureDensity() : MeasuredQuantity("density", "density of all eigenvalues: nodes and weights of its quadrature, and a smoothed curve")
{
    private readonly DensityOptions _options = new();

    protected override void AddOptions(Command command) => _options.AddTo(command);

    protected override Quantities Wanted(ParseResult parse, int seed) => new() { Density = _options.Read(parse, seed) };

    protected override JsonReport AddTo(JsonReport json, SharpnessReport report) => json.Add("density", DensityJson.Of(report.Summary.Density!));

    protected override void Print(Terminal terminal, SharpnessReport report) => ReportText.Density(terminal, report.Summary);
}
