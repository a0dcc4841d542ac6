namespace Curvature.Krylov;

/// <summary>What the documentation's table says of a linear solver or an eigensolver.</summary>
/// <param name="Name">Short name, as on the command line.</param>
/// <param name="Type">The type that solves.</param>
/// <param name="For">Which matrices it takes, or which eigenvalues it finds.</param>
/// <param name="Paper">Where the method comes from; null: common knowledge.</param>
/// <param name="Cost">Products and memory.</param>
public sealed record KnownSolver(string Name, Type Type, string For, string? Paper, string Cost)
{
    /// <summary>A table of the documentation, in Markdown.</summary>
    /// <param name="kind">Heading of the first column.</param>
    /// <param name="use">Heading of <see cref="For"/>.</param>
    /// <param name="solvers">The rows.</param>
    internal static string ToMarkdown(string kind, string use, IEnumerable<KnownSolver> solvers) =>
        $"| {kind} | By name | {use} | After | Costs |\n|---|---|---|---|---|\n"
        + string.Concat(solvers.Select(s => $"| `{s.Type.Name}` | `{s.Name}` | {s.For} | {s.Paper} | {s.Cost} |\n"));
}
