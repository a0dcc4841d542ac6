namespace Curvature.Kronecker;

/// <summary>What a parameter was registered as.</summary>
/// <param name="Name">The parameter.</param>
/// <param name="Block">The block that it is part of: a layer, or parameters joined by +.</param>
/// <param name="Kind">What stands for the block.</param>
/// <param name="Why">Why it is that and nothing better; empty where it is what the layer's kind gets.</param>
public sealed record RegisteredParameter(string Name, string Block, BlockKind Kind, string Why);
