namespace Curvature.Sharpness;

/// <summary>The diagonal of a curvature matrix over one layer's parameters, in a few numbers.</summary>
/// <param name="Name">Path of the module that owns the parameters.</param>
/// <param name="Parameters">Number of entries.</param>
/// <param name="Sum">Their sum: the trace of the layer's block.</param>
/// <param name="Smallest">The smallest of them.</param>
/// <param name="Largest">The largest of them.</param>
/// <param name="NegativeShare">Share of entries below zero by more than two standard errors.</param>
/// <param name="StandardError">Root mean square of the entries' standard errors; 0 where they are exact.</param>
public sealed record LayerDiagonal(string Name, long Parameters, double Sum, double Smallest, double Largest, double NegativeShare, double StandardError);
