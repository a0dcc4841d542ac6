using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>What it takes to set some parameters to zero.</summary>
/// <param name="Change">The change of all parameters, <c>[d]</c>: minus the value where one is eliminated, a correction elsewhere.</param>
/// <param name="Increase">
/// <c>(1/2) Change^T F Change</c>, the increase of the quadratic model of the loss at a minimum: loss per example, where the gradients are.
/// </param>
public sealed record MfacElimination(Tensor Change, double Increase);
