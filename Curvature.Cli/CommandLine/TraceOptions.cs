using System.CommandLine;
using Curvature.Cli.Work;
using Curvature.Estimators;

namespace Curvature.Cli.CommandLine;

/// <summary>How the trace is estimated.</summary>
/// <param name="alone">Whether <c>--estimator</c> and <c>--tolerance</c> are about the trace.</param>
internal sealed class TraceOptions(bool alone)
{
    private const int Probes = 64, ProbesUnderTolerance = 4096;

    private readonly Option<int?> _probes = Choices.Count("--probes", $"products to spend [{Probes}]; as many as there are parameters give the exact trace");
    private readonly Option<string?> _estimator = Choices.Word("--estimator", $"how the trace is estimated [{TraceWork.Default}]", KnownTraceEstimators.Names);
    private readonly Option<double?> _tolerance = Choices.Real(
        "--tolerance",
        "T",
        $"stop when half the 95 % interval is below T of the trace; then up to {ProbesUnderTolerance} products",
        "a number above 0",
        t => t > 0);

    public void AddTo(Command command)
    {
        command.Add(_probes);
        if (alone)
        {
            command.Add(_estimator);
            command.Add(_tolerance);
        }
    }

    public TraceWork Read(ParseResult parse, int seed)
    {
        double? relative = alone ? parse.GetValue(_tolerance) : null;
        int? probes = parse.GetValue(_probes);
        var options = new Estimators.TraceOptions
        {
            Products = probes ?? (relative is null ? Probes : ProbesUnderTolerance),
            RelativeTolerance = relative,
            Seed = seed,
        };
        return new TraceWork((alone ? parse.GetValue(_estimator) : null) ?? TraceWork.Default, options, UntilEnough: relative is not null && probes is null);
    }
}
