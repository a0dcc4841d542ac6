using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature measure stability</c>.</summary>
internal sealed class MeasureStability() : MeasuredQuantity("stability", "largest stable learning rates by rule, what mini-batches leave of them, and where an optimizer stands")
{
    private readonly StabilityOptions _options = new(alone: true);

    protected override string Member => "stability";

    protected override bool HasLayers => false;

    protected override void AddOptions(Command command) => _options.AddTo(command);

    protected override Quantities Wanted(ParseResult parse, int seed) => new() { Stability = _options.Stability(parse, seed), BatchSizes = _options.BatchSizes(parse, seed) };

    protected override object? Value(SharpnessSummary summary) => summary.Stability is { } stability ? StabilityJson.Of(stability) : null;

    protected override IEnumerable<(string Name, object? Value)> Others(SharpnessSummary summary) =>
        summary.BatchSizes is { } sizes ? [("batch_sizes", StabilityJson.Of(sizes))] : [];

    protected override void Print(Terminal terminal, SharpnessSummary summary)
    {
        ReportText.Stability(terminal, summary);
        ReportText.BatchSizes(terminal, summary);
    }
}
