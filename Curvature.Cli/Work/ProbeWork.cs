namespace Curvature.Cli.Work;

/// <summary>How many products something that is made of probes may spend.</summary>
/// <param name="Products">At most so many.</param>
/// <param name="UntilEnough">
/// Whether only a tolerance says how many. Then not one for each column, which would be the exact answer at once, but of matrices so small
/// that this is hardly more.
/// </param>
internal readonly record struct ProbeWork(int Products, bool UntilEnough)
{
    /// <summary>Most products unless the command line says so.</summary>
    public const int Usual = 64, UnderTolerance = 4096;

    private const int Small = 64;

    // Of all estimators that keep vectors, the most that one of them keeps for a product.
    private const int MostVectors = 3;

    /// <summary>What <c>--probes</c> and <c>--tolerance</c> ask for.</summary>
    public static ProbeWork Of(int? probes, double? tolerance) =>
        new(probes ?? (tolerance is null ? Usual : UnderTolerance), UntilEnough: tolerance is not null && probes is null);

    /// <summary>Most products for a matrix of so many columns.</summary>
    public int For(long columns) => (int)Math.Min(Products, UntilEnough && columns > Small ? columns - 1 : columns);

    /// <summary>Most products of an estimator that keeps vectors, where there is room for <paramref name="vectors"/>.</summary>
    public static int Within(int vectors) => Math.Max(1, vectors / MostVectors);
}
