using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Samples.Study;

/// <summary>An optimizer of the study.</summary>
/// <param name="Name">In results and on the page.</param>
/// <param name="Family">What it scales its step by.</param>
/// <param name="Settings">What differs from its defaults, for the page; results of other settings are not taken for its own.</param>
/// <param name="Rate">The learning rate in the middle of its first three trials.</param>
/// <param name="Create">Makes it of a network, a learning rate and a seed; the caller disposes it.</param>
internal sealed record Contender(string Name, Family Family, string Settings, double Rate, Func<nn.Module<Tensor, Tensor>, double, int, OptimizerHelper> Create)
{
    /// <summary>The only problem that it runs on; null for all.</summary>
    public string? Only { get; init; }

    /// <summary>Whether a step takes as long at any rate and on any network of the same size, so that it can be timed apart from the runs.</summary>
    public bool HasSteadySteps { get; init; } = true;

    public bool Runs(StudyProblem problem) => Only is null || Only == problem.Name;
}
