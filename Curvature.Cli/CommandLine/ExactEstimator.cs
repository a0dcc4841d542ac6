using System.CommandLine;
using System.CommandLine.Parsing;
using Curvature.Cli.Work;

namespace Curvature.Cli.CommandLine;

/// <summary><c>--estimator exact</c>: traces and diagonals from per-sample gradients, without probes.</summary>
internal static class ExactEstimator
{
    public const string Name = ExactWork.Name;

    private static readonly string[] Matrices = ["hessian", "ggn"], Idle = ["--probes", "--tolerance"];

    /// <summary>Adds an error for a matrix that per-sample gradients do not give, and for options that speak of probes.</summary>
    public static void Validate(CommandResult result, Option estimator)
    {
        if (Choices.Given(result, estimator) != Name)
        {
            return;
        }

        string? Word(string option) => result.Command.Options.FirstOrDefault(o => o.Name == option) is { } found ? Choices.Given(result, found) : null;
        if (Word("--matrix") is { } matrix && !Matrices.Contains(matrix))
        {
            result.AddError($"--estimator {Name}: per-sample gradients give the matrices {string.Join(" and ", Matrices)}, not {matrix}.");
        }

        foreach (string option in Idle.Where(option => Word(option) is not null))
        {
            result.AddError($"--estimator {Name}: an exact answer takes no {option}.");
        }
    }
}
