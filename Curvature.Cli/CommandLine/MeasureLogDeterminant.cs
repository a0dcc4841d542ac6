using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Estimators;
using Curvature.Sharpness;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature measure logdet</c>.</summary>
internal sealed class MeasureLogDeterminant() : MeasuredQuantity("logdet", "log det(A + L I) of a matrix that is positive definite with the damping L")
{
    private static readonly FunctionTrace Default = new();

    private readonly Option<double?> _damping = Choices.Real("--damping", "L", "added to every eigenvalue [0]", "a number of at least 0", damping => damping >= 0);
    private readonly Option<int?> _steps = Choices.Count("--steps", $"Lanczos steps: how well the logarithm is integrated [{Default.Steps}]");
    private readonly Option<int?> _runs = Choices.Count("--runs", $"start vectors, at least 2: how well it averages [{Default.MaxRuns}]");
    private readonly Option<double?> _tolerance = Choices.Tolerance("half the 95 % interval is below T of the value");

    protected override string Member => "log_determinant";

    protected override void AddOptions(Command command)
    {
        foreach (Option option in (Option[])[_damping, _steps, _runs, _tolerance])
        {
            command.Add(option);
        }
    }

    protected override Quantities Wanted(ParseResult parse, int seed) => new()
    {
        LogDeterminant = new LogDeterminant
        {
            Damping = parse.GetValue(_damping) ?? 0,
            Quadrature = new FunctionTrace
            {
                Steps = parse.GetValue(_steps) ?? Default.Steps,
                MaxRuns = parse.GetValue(_runs) ?? Default.MaxRuns,
                RelativeTolerance = parse.GetValue(_tolerance),
                Seed = seed,
            },
        },
    };

    protected override object? Value(SharpnessSummary summary) => EstimateJson.Of(summary.LogDeterminant!.Estimate, summary.LogDeterminant.QuadratureError);

    protected override void Print(Terminal terminal, SharpnessSummary summary) => ReportText.LogDeterminant(terminal, summary);

    protected override void PrintLayers(Terminal terminal, SharpnessSummary summary)
    {
        // They are rows of the same table.
    }
}
