namespace Curvature.Tensors;

/// <summary>The parameters that one module owns: a contiguous or scattered block of the parameter vector.</summary>
/// <param name="Name">Path of the owning module (a parameter's name up to its last dot; its whole name where it has none).</param>
/// <param name="Indices">Positions of its parameters in <see cref="ParameterSpace.Parameters"/>.</param>
/// <param name="Count">Number of entries of all of them.</param>
public sealed record ParameterLayer(string Name, IReadOnlyList<int> Indices, long Count);
