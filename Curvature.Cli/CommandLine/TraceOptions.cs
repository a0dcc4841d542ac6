using System.CommandLine;
using System.CommandLine.Parsing;
using Curvature.Cli.Work;
using Curvature.Estimators;

namespace Curvature.Cli.CommandLine;

/// <summary>How the trace is estimated.</summary>
/// <param name="alone">Whether <c>--estimator</c> and <c>--tolerance</c> are about the trace.</param>
internal sealed class TraceOptions(bool alone)
{
    private readonly Option<int?> _probes = Choices.Probes("trace");
    private readonly Option<string?> _estimator = Choices.Word("--estimator", $"how the trace is estimated [{TraceWork.Default}]", [.. KnownTraceEstimators.Names, ExactEstimator.Name]);
    private readonly Option<double?> _tolerance = Choices.Tolerance("half the 95 % interval is below T of the trace", ProbeWork.UnderTolerance);

    public void AddTo(Command command)
    {
        command.Add(_probes);
        if (alone)
        {
            command.Add(_estimator);
            command.Add(_tolerance);
        }
    }

    public void Validate(CommandResult result) => ExactEstimator.Validate(result, _estimator);

    public TraceWork Read(ParseResult parse, int seed)
    {
        double? tolerance = alone ? parse.GetValue(_tolerance) : null;
        return new TraceWork(
            (alone ? parse.GetValue(_estimator) : null) ?? TraceWork.Default,
            ProbeWork.Of(parse.GetValue(_probes), tolerance) with { UntilEnough = false }, // these estimators know when the exact trace is nearer
            new EstimatorOptions { RelativeTolerance = tolerance, Seed = seed });
    }
}
