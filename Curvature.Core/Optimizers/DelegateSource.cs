using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>A diagonal of one's own, computed by a function: D of a part of the batch, in the parameters' shapes (null is zero); parts add up.</summary>
/// <param name="diagonal">From the pass; results in the scope of the call. Autograd is at its own risk there, under TorchSharp's rules.</param>
public sealed class DelegateSource(Func<LossPass, IReadOnlyList<Tensor?>> diagonal) : IDiagonalSource
{
    /// <inheritdoc/>
    public bool NeedsOutputs { get; init; }

    /// <inheritdoc/>
    public bool NeedsSecondDerivative { get; init; }

    /// <inheritdoc/>
    public int Samples => 1;

    /// <inheritdoc/>
    public IReadOnlyList<Tensor> Probe(IReadOnlyList<Tensor> parameters, int seed, long step, int sample) => [];

    /// <inheritdoc/>
    public IReadOnlyList<Tensor?> Product(LossPass pass, IReadOnlyList<Tensor> probe, int sample, bool last)
    {
        IReadOnlyList<Tensor?> parts = diagonal(pass);
        bool fits = parts.Count == pass.Parameters.Count
            && Enumerable.Range(0, parts.Count).All(i => parts[i] is not { } part || part.shape.SequenceEqual(pass.Parameters[i].shape));
        return fits ? parts : throw new CurvatureException($"A diagonal has {pass.Parameters.Count} parts in the parameters' shapes, null where zero; got {parts.Count}, or other shapes.");
    }

    /// <inheritdoc/>
    public Tensor Diagonal(Tensor product, Tensor? probe) => product;
}
