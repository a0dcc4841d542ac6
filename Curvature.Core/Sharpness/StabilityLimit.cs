namespace Curvature.Sharpness;

/// <summary>A learning rate beyond which something is no longer bounded.</summary>
/// <param name="Rule">The update rule it is about, for a person.</param>
/// <param name="Condition">What limits it, e.g. <c>2 / lambda_max</c>.</param>
/// <param name="Rate">The largest stable rate by that condition; infinite where nothing curves upwards.</param>
/// <param name="StandardError">Of the rate, 0 where it has no sampling error.</param>
/// <param name="IsNoise">Whether the noise of mini-batches is in it.</param>
public sealed record StabilityLimit(string Rule, string Condition, double Rate, double StandardError = 0, bool IsNoise = false);
