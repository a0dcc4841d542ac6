namespace Curvature.Estimators;

/// <summary>How far an approximation is from a matrix, <c>|A - B|_F</c>.</summary>
/// <param name="Norm">The estimate with its standard error over the probes.</param>
/// <param name="Low">The true norm is at least this ...</param>
/// <param name="High">... and at most this, ...</param>
/// <param name="Probability">... with at least this probability, whatever the matrices.</param>
/// <param name="Relative"><c>|A - B|_F / |A|_F</c>, with a standard error to first order.</param>
public sealed record ErrorBound(Estimate Norm, double Low, double High, double Probability, Estimate Relative);
