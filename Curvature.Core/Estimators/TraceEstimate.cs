namespace Curvature.Estimators;

/// <summary>Trace of a curvature matrix and of its diagonal blocks, all from the same products.</summary>
/// <param name="Total">Trace of the whole matrix.</param>
/// <param name="Layers">Trace of each layer's diagonal block; they sum to <paramref name="Total"/>'s value.</param>
public sealed record TraceEstimate(Estimate Total, IReadOnlyList<LayerTrace> Layers)
{
    /// <summary>The same numbers at the price of <paramref name="products"/> more, spent on what did not lead to them.</summary>
    internal TraceEstimate After(int products) => new(
        Total with { Products = Total.Products + products },
        [.. Layers.Select(layer => layer with { Trace = layer.Trace with { Products = layer.Trace.Products + products } })]);
}

/// <summary>Trace of one layer's diagonal block.</summary>
/// <param name="Name">The layer: the module path that owns the parameters.</param>
/// <param name="Parameters">Number of entries in the block.</param>
/// <param name="Trace">Its trace.</param>
public sealed record LayerTrace(string Name, long Parameters, Estimate Trace);
