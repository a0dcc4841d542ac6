using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature measure trace</c>.</summary>
internal sealed class MeasureTrace() : MeasuredQuantity("trace", "trace of the matrix and of each layer's block, with standard errors")
{
    private readonly TraceOptions _options = new(withTolerance: true);

    protected override void AddOptions(Command command) => _options.AddTo(command);

    protected override Quantities Wanted(ParseResult parse, int seed) => new() { Trace = _options.Read(parse, seed) };

    protected override JsonReport AddTo(JsonReport json, SharpnessReport report) =>
        json.Add("trace", report.Summary.Trace!.Total).Add("layers", report.Summary.Trace.Layers);

    protected override void Print(Terminal terminal, SharpnessReport report) => ReportText.Trace(terminal, report.Summary);
}
