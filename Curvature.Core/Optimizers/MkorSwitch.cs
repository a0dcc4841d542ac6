namespace Curvature.Optimizers;

/// <summary>A change of MKOR-H between its directions and the gradient.</summary>
/// <param name="Step">Steps taken before it.</param>
/// <param name="ToFirstOrder">Whether to the gradient.</param>
/// <param name="Rate">The loss's relative fall a step, where that was the reason; NaN on a return.</param>
/// <param name="Loss">The loss's fast mean.</param>
public sealed record MkorSwitch(long Step, bool ToFirstOrder, double Rate, double Loss);
