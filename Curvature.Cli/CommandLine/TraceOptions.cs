using System.CommandLine;
using Curvature.Estimators;

namespace Curvature.Cli.CommandLine;

/// <summary>How the trace is estimated.</summary>
/// <param name="withTolerance">Whether <c>--tolerance</c> is about the trace.</param>
internal sealed class TraceOptions(bool withTolerance)
{
    private const int Probes = 64, ProbesUnderTolerance = 4096;

    private readonly Option<int?> _probes = Choices.Count("--probes", $"products to spend [{Probes}]; as many as there are parameters give the exact trace");
    private readonly Option<double?> _tolerance = Choices.Real(
        "--tolerance",
        "T",
        $"stop when half the 95 % interval is below T of the trace; then up to {ProbesUnderTolerance} probes",
        "a number above 0",
        t => t > 0);

    public void AddTo(Command command)
    {
        command.Add(_probes);
        if (withTolerance)
        {
            command.Add(_tolerance);
        }
    }

    public HutchinsonTrace Read(ParseResult parse, int seed)
    {
        double? relative = withTolerance ? parse.GetValue(_tolerance) : null;
        return new HutchinsonTrace
        {
            MaxProbes = parse.GetValue(_probes) ?? (relative is null ? Probes : ProbesUnderTolerance),
            RelativeTolerance = relative,
            Seed = seed,
        };
    }
}
