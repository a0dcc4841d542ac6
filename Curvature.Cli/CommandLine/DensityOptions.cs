using System.CommandLine;
using Curvature.Estimators;

namespace Curvature.Cli.CommandLine;

/// <summary>How finely the density is resolved.</summary>
internal sealed class DensityOptions
{
    private static readonly StochasticLanczosQuadrature Default = new();

    private readonly Option<int?> _steps = Choices.Count("--steps", $"Lanczos steps of the density: how sharply it sees [{Default.Steps}]");
    private readonly Option<int?> _runs = Choices.Count("--runs", $"start vectors of the density: how well it averages [{Default.Runs}]");

    public void AddTo(Command command)
    {
        command.Add(_steps);
        command.Add(_runs);
    }

    public StochasticLanczosQuadrature Read(ParseResult parse, int seed, int? usualRuns = null) => new()
    {
        Steps = parse.GetValue(_steps) ?? Default.Steps,
        Runs = parse.GetValue(_runs) ?? usualRuns ?? Default.Runs,
        Seed = seed,
    };
}
