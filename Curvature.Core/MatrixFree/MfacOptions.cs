namespace Curvature.MatrixFree;

/// <summary>What an <see cref="MfacInverse"/> is made with.</summary>
public sealed record MfacOptions
{
    /// <value>lambda of <c>lambda I</c>: finite and above 0 (default 1e-5).</value>
    public double Damping { get; init; } = 1e-5;

    /// <value>B: entries of F between different stretches of B consecutive parameters count as zero; null (the default): one block, the whole matrix.</value>
    public long? BlockSize { get; init; }

    /// <value>
    /// p, into how many pages the window's m rows are split, none longer than another by more than a row; p need not divide m. More than one lie in
    /// main memory and visit the device one after the other. Null (the default): one, or on a GPU as many as <see cref="MemoryLimit"/> makes necessary.
    /// </value>
    public int? Pages { get; init; }

    /// <value>Bytes that may be taken on the gradients' device; null (the default): what is free there; no limit on a GPU whose runtime cannot be asked (<c>cudaMemGetInfo</c>).</value>
    public long? MemoryLimit { get; init; }

    /// <summary>Refuses values that are none of the above.</summary>
    /// <exception cref="CurvatureException">A damping that is not positive, or sizes below 1.</exception>
    internal void Check()
    {
        RequireDamping(Damping);
        if (BlockSize < 1 || Pages < 1 || MemoryLimit < 1)
        {
            throw new CurvatureException(
                $"Block size, pages and memory limit are at least 1, or null; got {Show(BlockSize)}, {Show(Pages)} and {Show(MemoryLimit)}.");
        }
    }

    /// <summary>Refuses a damping without which there is no inverse.</summary>
    internal static void RequireDamping(double damping)
    {
        if (!double.IsFinite(damping) || damping <= 0)
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"The damping lambda is a finite number above 0, since m gradients alone span no invertible matrix; got {damping}."));
        }
    }

    private static string Show(long? value) => value?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "null";
}
