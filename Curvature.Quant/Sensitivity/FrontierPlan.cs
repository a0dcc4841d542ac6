using Curvature.Quant.Planning;

namespace Curvature.Quant.Sensitivity;

/// <summary>The plan of a frontier that keeps an accuracy, and how it was found.</summary>
/// <param name="Plan">The plan.</param>
/// <param name="Point">Where it is on the frontier, from 0 in the order of cost.</param>
/// <param name="Accuracies">The accuracy by point, of those that were tried.</param>
/// <param name="Violations">What speaks against the accuracy rising with cost, a sentence each.</param>
public sealed record FrontierPlan(BitPlan Plan, int Point, IReadOnlyDictionary<int, double> Accuracies, IReadOnlyList<string> Violations);
