namespace Curvature.Quant.Sensitivity;

/// <summary>One level of <see cref="AccuracyBisection"/>.</summary>
/// <param name="Bits">The width.</param>
/// <param name="Layers">K, how many layers go to it.</param>
/// <param name="Candidates">How many could have.</param>
/// <param name="Accuracies">The accuracy by number of layers, of those that were tried.</param>
/// <param name="Violations">What speaks against the accuracy falling with K, a sentence each.</param>
public sealed record AccuracyLevel(int Bits, int Layers, int Candidates, IReadOnlyDictionary<int, double> Accuracies, IReadOnlyList<string> Violations);
