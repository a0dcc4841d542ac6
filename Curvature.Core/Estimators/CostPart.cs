namespace Curvature.Estimators;

/// <summary>A part of what a job takes.</summary>
/// <param name="Name">What for, as in a table.</param>
/// <param name="Amount">Seconds, or bytes on each rank.</param>
public readonly record struct CostPart(string Name, double Amount);
