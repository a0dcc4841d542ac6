using Curvature.Objectives;
using Curvature.Tensors;

namespace Curvature.Operators;

/// <summary>How a curvature operator works through its data.</summary>
public sealed record CurvatureOptions
{
    /// <value>
    /// Memory in bytes that graphs kept between products may take; null (default): half of what is free where the parameters lie when the operator is made, divided by the ranks that share it (<see cref="IRanks.OnThisMachine"/>). On a GPU it is what libtorch takes of the device's memory for them, of which it first gives back what it keeps of tensors that are gone, once for each operator with a number here; where the runtime cannot be asked (<c>cudaMemGetInfo</c>) one batch is kept. With 0
    /// every product evaluates the model anew. A kept graph saves a third to a half of each product after the first.
    /// </value>
    public long? GraphMemory { get; init; }

    /// <value>
    /// Whether the operator refuses to follow the parameters: with true a product after a parameter changed throws, with false (default) the
    /// operator moves to the new parameters.
    /// </value>
    public bool Frozen { get; init; }

    /// <value>
    /// Whether a model that cannot be differentiated twice is measured by central differences of its gradient (default false: it is an error
    /// that names the operator).
    /// </value>
    public bool FiniteDifferenceFallback { get; init; }

    /// <value>
    /// What the engine can do beyond TorchSharp: products with Jacobians of convolutional networks then go by forward mode. Default: what
    /// is there; null: nothing.
    /// </value>
    public IEngineExtensions? Extensions { get; init; } = EngineExtensions.Available;

    /// <value>
    /// Whether a Hessian is cut at its layers where the model allows it (default true): its quadratic forms then cost about 0.7 of a product on a kept graph, and products of convolutional networks 0.8 of what they cost whole. See
    /// <see cref="HessianOperator.LayersObstacle"/>.
    /// </value>
    public bool ByLayers { get; init; } = true;

    /// <value>Ends a product between two batches.</value>
    public CancellationToken Cancellation { get; init; }
}
