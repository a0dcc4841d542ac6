using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Estimators;
using Curvature.Sharpness;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature measure norm</c>.</summary>
internal sealed class MeasureNorm() : MeasuredQuantity("norm", "Frobenius norm, operator norm between two bounds, or a Schatten norm")
{
    private static readonly FunctionTrace Quadrature = new();

    private readonly Option<string?> _norm = Choices.Word("--norm", $"which norm [{NormWork.Kinds[0]}]", NormWork.Kinds);
    private readonly Option<double?> _order = Choices.Real("--order", "P", "schatten: the order; 1 is the nuclear norm [1]", "a number above 0", order => order > 0);
    private readonly Option<int?> _probes = Choices.Probes("Frobenius norm");
    private readonly Option<int?> _steps = Choices.Count("--steps", $"operator, schatten: Lanczos steps [{Quadrature.Steps}]");
    private readonly Option<int?> _runs = Choices.Count("--runs", $"schatten: start vectors, at least 2 [{Quadrature.MaxRuns}]");
    private readonly Option<double?> _tolerance = Choices.Tolerance("half the 95 % interval, or the distance of the bounds, is below T of the norm");

    protected override string Member => "norm";

    protected override void AddOptions(Command command)
    {
        foreach (Option option in (Option[])[_norm, _order, _probes, _steps, _runs, _tolerance])
        {
            command.Add(option);
        }
    }

    protected override Quantities Wanted(ParseResult parse, int seed)
    {
        string kind = parse.GetValue(_norm) ?? NormWork.Kinds[0];
        double? tolerance = parse.GetValue(_tolerance);
        return new Quantities
        {
            Norm = new NormWork
            {
                Kind = kind,
                Order = parse.GetValue(_order) ?? 1,
                Probes = ProbeWork.Of(parse.GetValue(_probes), tolerance),
                Steps = parse.GetValue(_steps) ?? Quadrature.Steps,
                Runs = kind == "schatten" ? parse.GetValue(_runs) ?? Quadrature.MaxRuns : 1,
                Tolerance = tolerance,
                Seed = seed,
            },
        };
    }

    protected override object? Value(SharpnessSummary summary) => summary.Norm switch
    {
        { Bound: { } bound } norm => new Dictionary<string, object?>
        {
            ["kind"] = norm.Kind,
            ["value"] = bound.Value,
            ["residual"] = bound.Residual,
            ["upper_bound"] = bound.UpperBound,
            ["probability"] = bound.Probability,
            ["products"] = bound.Products,
        },
        { Estimate: { } estimate } norm => EstimateJson.Of(estimate, norm.QuadratureError, ("kind", norm.Kind)),
        _ => null,
    };

    protected override void Print(Terminal terminal, SharpnessSummary summary) => ReportText.Norm(terminal, summary);

    protected override void PrintLayers(Terminal terminal, SharpnessSummary summary)
    {
        // They are rows of the same table.
    }
}
