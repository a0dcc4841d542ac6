using System.CommandLine;
using System.CommandLine.Parsing;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Estimators;
using Curvature.Sharpness;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature measure diagonal</c>.</summary>
internal sealed class MeasureDiagonal() : MeasuredQuantity("diagonal", "the matrix's diagonal in a few numbers for each layer; all of it with --out")
{
    private readonly Option<int?> _probes = Choices.Probes("diagonal");
    private readonly Option<string?> _estimator = Choices.Word("--estimator", $"how it is estimated [{DiagonalWork.Default}]", [.. KnownDiagonalEstimators.Names, ExactEstimator.Name]);
    private readonly Option<double?> _tolerance = Choices.Tolerance("the error of the whole vector is below T of it", ProbeWork.UnderTolerance);

    protected override string Member => "diagonal";

    protected override bool HasVectors => true;

    protected override void AddOptions(Command command)
    {
        command.Add(_probes);
        command.Add(_estimator);
        command.Add(_tolerance);
    }

    protected override void Validate(CommandResult result) => ExactEstimator.Validate(result, _estimator);

    protected override Quantities Wanted(ParseResult parse, int seed)
    {
        double? tolerance = parse.GetValue(_tolerance);
        return new Quantities
        {
            Diagonal = new DiagonalWork(
                parse.GetValue(_estimator) ?? DiagonalWork.Default,
                ProbeWork.Of(parse.GetValue(_probes), tolerance),
                new EstimatorOptions { RelativeTolerance = tolerance, Seed = seed }),
        };
    }

    protected override object? Value(SharpnessSummary summary)
    {
        DiagonalSummary diagonal = summary.Diagonal!;
        var members = new Dictionary<string, object?>(Row(diagonal.Whole).Where(entry => entry.Key != "name")) { ["relative_error"] = diagonal.RelativeError };
        if (diagonal.SumOfSquares is { } sumOfSquares)
        {
            members["sum_of_squares"] = sumOfSquares;
        }

        members["products"] = diagonal.Products;
        return members;
    }

    protected override object? Layers(SharpnessSummary summary) => summary.Diagonal!.Layers.Select(Row);

    protected override void Print(Terminal terminal, SharpnessSummary summary) => ReportText.Diagonal(terminal, summary.Diagonal!);

    private static Dictionary<string, object?> Row(LayerDiagonal layer) => new()
    {
        ["name"] = layer.Name,
        ["parameters"] = layer.Parameters,
        ["sum"] = layer.Sum,
        ["smallest"] = layer.Smallest,
        ["largest"] = layer.Largest,
        ["negative_share"] = layer.NegativeShare,
        ["standard_error"] = layer.StandardError,
    };
}
