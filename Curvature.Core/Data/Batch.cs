using TorchSharp;

namespace Curvature.Data;

/// <summary>Some samples and what the model should answer; row i of one belongs to row i of the other.</summary>
/// <param name="Inputs"><c>[B, ...]</c>.</param>
/// <param name="Targets"><c>[B]</c> or <c>[B, ...]</c>.</param>
public sealed record Batch(torch.Tensor Inputs, torch.Tensor Targets);
