namespace Curvature.Layers;

/// <summary>A weight as matrices: K groups of <c>[Rows, Columns]</c>, in the order in which the parameter holds them.</summary>
/// <param name="Groups">K.</param>
/// <param name="Rows">Outputs of a group; for an embedding its tokens.</param>
/// <param name="Columns">Inputs of a group; for an embedding its outputs.</param>
/// <param name="IsOneHot">Whether the inputs are tokens, which makes the rows the inputs.</param>
internal sealed record MatrixShape(long Groups, long Rows, long Columns, bool IsOneHot = false)
{
    /// <summary>Outputs of a group.</summary>
    public long Outputs => IsOneHot ? Columns : Rows;

    /// <summary>Inputs of a group.</summary>
    public long Inputs => IsOneHot ? Rows : Columns;
}
