namespace Curvature.Estimators;

/// <summary>Traces of a GGN and of its diagonal blocks from per-sample gradients, and which of them are the Hessian's too.</summary>
/// <param name="Total">Trace of the whole matrix.</param>
/// <param name="Layers">Trace of each layer's diagonal block, in the order of the parameters; they sum to <paramref name="Total"/>'s value.</param>
public sealed record ExactTraceEstimate(Estimate Total, IReadOnlyList<ExactLayerTrace> Layers)
{
    /// <summary>Whether all of it holds for the Hessian as well.</summary>
    public bool IsHessian => Layers.All(layer => layer.IsHessian);
}

/// <summary>Trace of one layer's diagonal block.</summary>
/// <param name="Name">The layer: the module path that owns the parameters.</param>
/// <param name="Parameters">Number of entries in the block.</param>
/// <param name="Trace">Trace of the GGN's block; <see cref="Estimate.Products"/> counts backward passes.</param>
/// <param name="Obstacle">Why the Hessian's block may have another trace; null where it is the same.</param>
public sealed record ExactLayerTrace(string Name, long Parameters, Estimate Trace, string? Obstacle)
{
    /// <summary>Whether the trace is that of the Hessian's block too.</summary>
    public bool IsHessian => Obstacle is null;
}
