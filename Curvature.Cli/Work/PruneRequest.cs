using Curvature.Pruning;

namespace Curvature.Cli.Work;

/// <summary>The command line of <c>prune</c>; see the options' descriptions.</summary>
internal sealed record PruneRequest
{
    public required WorkRequest Work { get; init; }

    public required double Sparsity { get; init; }

    /// <summary>The file to write.</summary>
    public required string Out { get; init; }

    /// <summary>Held-out samples to measure on beside those of <see cref="WorkRequest.Data"/>.</summary>
    public string? Test { get; init; }

    public int Gradients { get; init; } = 512;

    /// <summary>Samples of one gradient; null: as many as there are for all gradients, at most 16.</summary>
    public int? GradientSamples { get; init; }

    public int Steps { get; init; } = 16;

    public double Damping { get; init; } = 1e-5;

    public int? BlockSize { get; init; }

    public PruningUpdate Update { get; init; }
}
