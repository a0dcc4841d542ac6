namespace Curvature.Quant.Sensitivity;

/// <summary>Bits by layer that keep an accuracy, and how they were found.</summary>
/// <param name="Bits">By layer.</param>
/// <param name="Levels">What was found at each width, from most to fewest bits.</param>
public sealed record AccuracyPlan(IReadOnlyDictionary<string, int> Bits, IReadOnlyList<AccuracyLevel> Levels)
{
    /// <summary>Evaluations of the accuracy, without the start and the check.</summary>
    public int Evaluations => Levels.Sum(level => level.Accuracies.Count);
}
