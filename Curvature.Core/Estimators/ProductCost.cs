namespace Curvature.Estimators;

/// <summary>
/// What a pass over data costs: <c>n samples with k vectors take n (Graph + k Product)</c> seconds. The graph of first derivatives is built
/// once for all vectors of a pass.
/// </summary>
/// <param name="Graph">Seconds a sample for the graph.</param>
/// <param name="Product">Seconds a sample for each product on it.</param>
public readonly record struct ProductCost(double Graph, double Product)
{
    /// <summary>The cost on a machine that is slower by <paramref name="factor"/>.</summary>
    public ProductCost Scaled(double factor) => new(factor * Graph, factor * Product);

    /// <summary>Seconds for products with <paramref name="vectors"/> vectors, at most <paramref name="together"/> of them in one pass.</summary>
    public double Seconds(long samples, int vectors, int together = int.MaxValue) =>
        samples * ((Math.Ceiling((double)vectors / together) * Graph) + (vectors * Product));
}
