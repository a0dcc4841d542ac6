using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature measure density</c>.</summary>
internal sealed class MeasureDensity() : MeasuredQuantity("density", "density of all eigenvalues: nodes and weights of its quadrature, and a smoothed curve")
{
    private readonly DensityOptions _options = new();

    protected override string Member => "density";

    protected override void AddOptions(Command command) => _options.AddTo(command);

    protected override Quantities Wanted(ParseResult parse, int seed) => new() { Density = _options.Read(parse, seed) };

    protected override object? Value(SharpnessSummary summary) => DensityJson.Of(summary.Density!);

    protected override void Print(Terminal terminal, SharpnessSummary summary) => ReportText.Density(terminal, summary);
}
