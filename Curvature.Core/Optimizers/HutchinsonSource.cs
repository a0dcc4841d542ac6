using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// <c>D = z * (H z)</c>, entry by entry: <c>E[D] = diag(H)</c> for independent entries of z of mean 0 and variance 1, H the Hessian of the loss with its reduction. Signed. The variance of entry i is
/// <c>sum over j other than i of H_ij^2</c> for signs, <c>2 H_ii^2</c> more for normal entries. Cost: a Hessian-vector product a sample. Hutchinson 1990; Bekas, Kokiopoulou, Saad 2007, section 2.
/// </summary>
public sealed class HutchinsonSource : IDiagonalSource
{
    /// <param name="probes">Distribution of z: signs or normal entries (the sphere's are not independent, with an error of 1/P).</param>
    /// <param name="samples">Vectors a refresh, at least 1.</param>
    /// <exception cref="CurvatureException">No samples.</exception>
    public HutchinsonSource(ProbeKind probes = ProbeKind.Rademacher, int samples = 1) =>
        (Probes, Samples) = samples > 0 ? (probes, samples) : throw new CurvatureException($"Hutchinson's diagonal takes at least one sample; got {samples}.");

    /// <summary>Distribution of z.</summary>
    public ProbeKind Probes { get; }

    /// <inheritdoc/>
    public int Samples { get; }

    /// <inheritdoc/>
    public bool NeedsOutputs => false;

    /// <inheritdoc/>
    public bool NeedsSecondDerivative => true;

    /// <inheritdoc/>
    public IReadOnlyList<Tensor> Probe(IReadOnlyList<Tensor> parameters, int seed, long step, int sample)
    {
        using DisposeScope scope = NewDisposeScope();
        long count = parameters.Sum(p => p.numel()), at = 0;
        Tensor z = Tensors.Probes.Draw(Probes, count, checked((int)((step * Samples) + sample)), 1, seed, parameters[0].dtype, parameters[0].device).select(1, 0);
        List<Tensor> parts = [];
        foreach (Tensor parameter in parameters)
        {
            parts.Add(z.narrow(0, at, parameter.numel()).view(parameter.shape).MoveToOuterDisposeScope());
            at += parameter.numel();
        }

        return parts;
    }

    /// <inheritdoc/>
    public IReadOnlyList<Tensor?> Product(LossPass pass, IReadOnlyList<Tensor> probe, int sample, bool last) =>
        Gradients.VectorJacobianProduct(pass.Gradient, probe, pass.Parameters, keepGraph: !last);

    /// <inheritdoc/>
    public Tensor Diagonal(Tensor product, Tensor? probe) => product.mul(probe!);
}
