namespace Curvature.Operators;

/// <summary>What the documentation's table says of a matrix.</summary>
/// <param name="Name">Short name, as on the command line; null for those that need more than an objective.</param>
/// <param name="Type">The type that multiplies by it.</param>
/// <param name="Matrix">What it is, as a formula; sums over batches b with weights w_b for means.</param>
/// <param name="Paper">Where it comes from; null for plain algebra.</param>
/// <param name="Cost">Of a product: gradients of the same objective on kept graphs, or products of its parts.</param>
/// <param name="Needs">What it must be given.</param>
public sealed record KnownOperator(string? Name, Type Type, string Matrix, string? Paper, string Cost, string Needs);
