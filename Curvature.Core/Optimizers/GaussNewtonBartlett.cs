using Curvature.Objectives;
using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// The Gauss-Newton-Bartlett estimate: <c>D = (J^T u)^2</c>, entry by entry, with u the loss's gradient in the outputs for targets drawn from the model's own predictive distribution
/// (<see cref="OutputCurvature.SampleGradient(Generator)"/>). u is scaled so that <c>E[u u^T]</c> is the loss's Hessian in the outputs, whose samples are independent of mean zero: <c>E[D]</c> = the diagonal of the
/// Gauss-Newton matrix with the reduction in it. No number of terms is asked for: for a mean over B terms, u is <c>sqrt(B)</c> times the mean loss's gradient at drawn labels, and D the <c>B * g^2</c> of the paper.
/// Never negative. Cost: a backward pass a sample. Liu, Li, Hall, Liang, Ma 2023, Sophia, algorithm 2.
/// </summary>
/// <remarks>A draw depends on (seed, step, sample, row of the batch): parts of a batch, and the shards of several ranks, draw what the whole batch would.</remarks>
public sealed class GaussNewtonBartlett : IDiagonalSource
{
    /// <param name="samples">Draws of all targets a refresh, at least 1.</param>
    /// <exception cref="CurvatureException">No samples.</exception>
    public GaussNewtonBartlett(int samples = 1) =>
        Samples = samples > 0 ? samples : throw new CurvatureException($"The Gauss-Newton-Bartlett estimate takes at least one sample; got {samples}.");

    /// <inheritdoc/>
    public int Samples { get; }

    /// <inheritdoc/>
    public bool NeedsOutputs => true;

    /// <inheritdoc/>
    public bool NeedsSecondDerivative => false;

    /// <inheritdoc/>
    public IReadOnlyList<Tensor> Probe(IReadOnlyList<Tensor> parameters, int seed, long step, int sample) => [];

    /// <inheritdoc/>
    public IReadOnlyList<Tensor?> Product(LossPass pass, IReadOnlyList<Tensor> probe, int sample, bool last)
    {
        using OutputCurvature curvature = pass.Criterion!.CurvatureAt(pass.Outputs!, pass.Targets!, pass.Weight);
        using SampleNoise noise = SampleNoise.At(pass.Seed, checked((int)((pass.Step * Samples) + sample)), pass.FirstRow);
        return Gradients.VectorJacobianProduct([pass.Outputs!], [curvature.SampleGradient(noise)], pass.Parameters, keepGraph: !last);
    }

    /// <inheritdoc/>
    public Tensor Diagonal(Tensor product, Tensor? probe) => product.square();
}
