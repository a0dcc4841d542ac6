namespace Curvature.Quant.Sensitivity;

/// <summary>What the documentation says of a sensitivity.</summary>
/// <param name="Name">The name on the command line.</param>
/// <param name="Type">The type that measures it.</param>
/// <param name="Formula">What it is, for layer l with the error e of its weight.</param>
/// <param name="Source">Author, year; empty for plain ideas.</param>
/// <param name="Cost">For L layers and B widths.</param>
/// <param name="NeedsModules">Whether TorchScript is refused.</param>
public sealed record KnownSensitivity(string Name, Type Type, string Formula, string Source, string Cost, bool NeedsModules);
