using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>A product <c>y = F^{-1} x</c> and how good it is.</summary>
/// <param name="Value">y, <c>[d]</c>.</param>
/// <param name="RelativeError">
/// About the largest that <c>|y - F^{-1} x| / |y|</c> can be. Without push-through it is <c>rounding |x| / (lambda |y|)</c>, at worst the rounding times the condition number of F:
/// small where x lies mostly outside the window's span, large where it lies within up to a small rest. 1 or more: no digit of y need be right.
/// </param>
/// <param name="Gradient">The index of the window's gradient that x is, whose product was pushed through; else null.</param>
public sealed record MfacProduct(Tensor Value, double RelativeError, long? Gradient);
