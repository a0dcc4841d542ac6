namespace Curvature.Pruning;

/// <summary>One step of a schedule.</summary>
/// <param name="Sparsity">Share of the weights that is zero after it.</param>
/// <param name="PredictedIncrease">What the quadratic model says the step adds to the loss; null where there is none.</param>
public readonly record struct PruningStep(double Sparsity, double? PredictedIncrease);
