namespace Curvature.Estimators;

/// <summary>What the documentation's table says of an estimator.</summary>
/// <param name="Name">Short name, as on the command line.</param>
/// <param name="Type">The type that computes it.</param>
/// <param name="Quantity">What it estimates.</param>
/// <param name="Matrices">Which operators it takes.</param>
/// <param name="Paper">Where the method comes from.</param>
/// <param name="Cost">Products and memory.</param>
/// <param name="Error">What its error bar is.</param>
public sealed record KnownEstimator(string Name, Type Type, string Quantity, string Matrices, string Paper, string Cost, string Error);
