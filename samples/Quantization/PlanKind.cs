namespace Curvature.Samples.Quantization;

/// <summary>Plans that are compared with each other: of one size, on one kind of grid.</summary>
/// <param name="Grid">Name of the weights' grid; empty: they are not quantized.</param>
/// <param name="EndsAt8">Whether the first and the last layer are at 8 bits, in the uniform plan too.</param>
/// <param name="AverageBits">Those of the uniform plan.</param>
internal sealed record PlanKind(string Grid, bool EndsAt8, int AverageBits)
{
    /// <summary>Not quantized.</summary>
    public static PlanKind Float { get; } = new("", EndsAt8: false, AverageBits: 32);

    /// <summary>All kinds of a grid.</summary>
    public static IReadOnlyList<PlanKind> Of(WeightGrid grid) => [new(grid.Name, false, 4), new(grid.Name, false, 3), new(grid.Name, true, 4), new(grid.Name, true, 3)];
}
