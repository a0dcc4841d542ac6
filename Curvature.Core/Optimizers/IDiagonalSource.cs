using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// Where a diagonal optimizer's D comes from, an estimate of <c>diag(A)</c> of some curvature A of the batch's loss. What is linear in the loss (<see cref="Product"/>) adds up over the parts
/// of a batch, then <see cref="Diagonal"/> makes D of it: parts give what the whole batch would. Randomness is a function of (seed, step, sample) alone.
/// </summary>
public interface IDiagonalSource
{
    /// <summary>Whether it needs the model's outputs, and so <c>Step(forward, targets, loss)</c>.</summary>
    bool NeedsOutputs { get; }

    /// <summary>Whether it differentiates the gradient.</summary>
    bool NeedsSecondDerivative { get; }

    /// <summary>Independent estimates that D is the mean of, at least 1.</summary>
    int Samples { get; }

    /// <summary>The random vector of one sample, in the parameters' shapes and the caller's scope; empty where it takes none.</summary>
    /// <param name="parameters">The optimizer's parameters.</param>
    /// <param name="seed">Of the optimizer.</param>
    /// <param name="step">Steps taken before this one.</param>
    /// <param name="sample">From 0.</param>
    IReadOnlyList<Tensor> Probe(IReadOnlyList<Tensor> parameters, int seed, long step, int sample);

    /// <summary>What adds up over the parts of a batch, in the parameters' shapes and the caller's scope; null where zero.</summary>
    /// <param name="pass">The part.</param>
    /// <param name="probe">The sample's random vector.</param>
    /// <param name="sample">From 0.</param>
    /// <param name="last">Nothing is differentiated after this call: the graph can be freed.</param>
    IReadOnlyList<Tensor?> Product(LossPass pass, IReadOnlyList<Tensor> probe, int sample, bool last);

    /// <summary>One sample's D for one parameter.</summary>
    /// <param name="product">The sum of the products.</param>
    /// <param name="probe">The random vector's part for this parameter; null where there is none.</param>
    Tensor Diagonal(Tensor product, Tensor? probe);
}
