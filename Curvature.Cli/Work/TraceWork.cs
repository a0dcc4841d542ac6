using Curvature.Estimators;

namespace Curvature.Cli.Work;

/// <summary>How a trace is to be estimated.</summary>
/// <param name="Estimator">One of <see cref="KnownTraceEstimators"/>.</param>
/// <param name="Options">What it is told.</param>
/// <param name="UntilEnough">
/// Whether only the tolerance says how many products to spend. Then not one for each column, which would be the exact trace at once, but of
/// matrices so small that this is hardly more.
/// </param>
internal sealed record TraceWork(string Estimator, TraceOptions Options, bool UntilEnough = false)
{
    /// <summary>The one whose products also give the layers' traces and which keeps no vectors.</summary>
    public const string Default = "hutchinson";

    private const int Small = 64;

    // Of all that keep vectors, the most that one of them keeps for a product.
    private const int MostVectors = 3;

    /// <summary>Whether the layers' traces come with the products.</summary>
    public bool GivesLayers => Estimator == Default;

    /// <summary>Most products whose vectors fit where there is room for <paramref name="vectors"/>.</summary>
    public int ProductsWithin(int vectors) => GivesLayers ? int.MaxValue : Math.Max(1, vectors / MostVectors);

    /// <summary>Most products for a matrix of so many columns.</summary>
    public int ProductsFor(long columns) => (int)Math.Min(Options.Products, UntilEnough && columns > Small ? columns - 1 : columns);

    /// <summary>The estimator with a number of products to spend.</summary>
    public ITraceEstimator With(int products) => KnownTraceEstimators.Create(Estimator, Options with { Products = products });
}
