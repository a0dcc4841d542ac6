namespace Curvature.Sharpness;

/// <summary>A rule by which an optimizer steps, as far as its stability goes.</summary>
/// <param name="Name">On the command line, e.g. <c>sgd</c>.</param>
/// <param name="Title">For a person.</param>
/// <param name="UsualMomentum">Momentum, or beta_1, unless it is given.</param>
/// <param name="IsAdaptive">Whether it divides by the root of averaged squared gradients: its limit is then about the eigenvalues of <c>P^{-1} H</c>.</param>
/// <param name="Limit">The largest stable rate from the largest eigenvalue and the momentum; see <see cref="StableRates"/>.</param>
public sealed record UpdateRule(string Name, string Title, double UsualMomentum, bool IsAdaptive, Func<double, double, double> Limit);
