using System.Text.Json.Serialization;

namespace Curvature.Samples.Study;

/// <summary>One run that was made: a line of the results file.</summary>
internal sealed record Trial
{
    public required string Problem { get; init; }

    public required string Optimizer { get; init; }

    public required string Settings { get; init; }

    /// <summary>The highest learning rate of the schedule.</summary>
    public required double Rate { get; init; }

    /// <summary>Of initial weights, batches, and what the optimizer draws.</summary>
    public required int Seed { get; init; }

    /// <summary>At whose end the schedule reaches 0.</summary>
    public required int Steps { get; init; }

    /// <summary>Of a step.</summary>
    public required int BatchSize { get; init; }

    /// <summary>The training loss on the evaluated subset, at equal distances from step 0 to the end; null where it is not finite, and for what would follow.</summary>
    public required IReadOnlyList<double?> Losses { get; init; }

    public double? TestLoss { get; init; }

    public double? TestAccuracy { get; init; }

    /// <summary>Of the steps alone, on a machine that did other work too.</summary>
    public required double WallSeconds { get; init; }

    /// <summary>Of the steps alone, all threads of the process.</summary>
    public required double CpuSeconds { get; init; }

    /// <summary>Steps that changed nothing, as something was not finite.</summary>
    public required long Skipped { get; init; }

    /// <summary>The training loss at the end; infinite where the run diverged.</summary>
    [JsonIgnore]
    public double Final => Losses[^1] ?? double.PositiveInfinity;

    /// <summary>The step of an entry of <see cref="Losses"/>.</summary>
    public int StepAt(int index) => StepAt(index, Steps, Losses.Count - 1);

    /// <summary>The step of an evaluation.</summary>
    public static int StepAt(int index, int steps, int evaluations) => (int)((long)index * steps / evaluations);
}
