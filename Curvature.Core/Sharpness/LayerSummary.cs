namespace Curvature.Sharpness;

/// <summary>What was measured about the diagonal block of one layer: the curvature when its parameters alone may move.</summary>
/// <param name="Name">Path of the module that owns the parameters.</param>
/// <param name="Summary">The block's numbers.</param>
public sealed record LayerSummary(string Name, SharpnessSummary Summary);
