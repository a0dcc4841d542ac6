using System.CommandLine;
using System.CommandLine.Parsing;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Sharpness;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature measure trace</c>.</summary>
internal sealed class MeasureTrace() : MeasuredQuantity("trace", "trace of the matrix and of each layer's block, with standard errors")
{
    private readonly TraceOptions _options = new(alone: true);

    protected override string Member => "trace";

    protected override void AddOptions(Command command) => _options.AddTo(command);

    protected override void Validate(CommandResult result) => _options.Validate(result);

    protected override Quantities Wanted(ParseResult parse, int seed) => new() { Trace = _options.Read(parse, seed) };

    protected override object? Value(SharpnessSummary summary) => summary.Trace!.Total;

    protected override object? Layers(SharpnessSummary summary) => summary.Trace!.Layers;

    protected override void Print(Terminal terminal, SharpnessSummary summary) => ReportText.Trace(terminal, summary);
}
