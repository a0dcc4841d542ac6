namespace Curvature.MatrixFree;

/// <summary>The columns of a window, cut so that what is converted to float64 at once stays small.</summary>
internal static class ColumnStretches
{
    /// <summary>Bytes of one stretch of all rows in float64.</summary>
    public const long Bytes = 1 << 25;

    /// <summary>First column, number of blocks side by side, and columns of each: whole blocks together while they fit, the ragged last one alone.</summary>
    /// <param name="rows">m.</param>
    /// <param name="columns">d.</param>
    /// <param name="block">B.</param>
    public static IEnumerable<(long First, long Blocks, long Width)> Groups(long rows, long columns, long block)
    {
        long whole = columns / block, together = Math.Max(1, Most(rows) / block);
        for (long b = 0; b < whole; b += together)
        {
            yield return (b * block, Math.Min(together, whole - b), block);
        }

        if (columns % block is > 0 and long rest)
        {
            yield return (whole * block, 1, rest);
        }
    }

    /// <summary>Pieces of a block's columns.</summary>
    public static IEnumerable<(long First, long Count)> Of(long rows, long columns)
    {
        long most = Most(rows);
        for (long first = 0; first < columns; first += most)
        {
            yield return (first, Math.Min(most, columns - first));
        }
    }

    private static long Most(long rows) => Math.Max(1, Bytes / (sizeof(double) * rows));
}
