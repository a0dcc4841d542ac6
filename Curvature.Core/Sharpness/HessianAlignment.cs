using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>
/// A regulariser that aligns the head's gradients and Hessians across domains e:
/// <c>(1/n) sum_e ( alpha |a_e - mean a|^2 + beta |g_e - mean g|^2 )</c>, <c>g_e = dL_e / d head</c>, and <c>a_e</c> the product <c>H_e g_e</c> or the estimated diagonal of H_e, <c>H_e = d2 L_e / d head^2</c>
/// (Hemati, Zhang, Estiri and Chen 2023, Understanding Hessian Alignment for Domain Generalization, section 4, arXiv:2308.11778). It has a graph: added to the training loss it reaches all parameters, the features below the head
/// too, by a third derivative. Zero where the domains are equal.
/// <para>
/// Departures from the authors' code: <c>H g</c> is <c>d(|g|^2 / 2)</c>, defined where the gradient is zero, in place of <c>|g| d|g|</c>; they detach the means, which changes no gradient, the deviations adding up to zero.
/// Their defaults are kept (alpha 1e-4 for products and 1e-3 for diagonals, beta 5e-3, 300 probes); how large they should be depends on the head's size and the loss, and their own search goes up to 1e4 and 1e6.
/// </para>
/// <para>Cost: for each domain a gradient and one differentiation of it (products), or one for each probe (diagonals), in the head alone, and once more as much as of one probe to make sure that there is a second derivative; the caller's <c>backward</c> goes through all of it.</para>
/// </summary>
public sealed class HessianAlignment
{
    private readonly ParameterSpace _head;

    /// <param name="head">The head's parameters, e.g. <c>ParameterSpace.Of(model, "fc2.*")</c>.</param>
    /// <param name="kind">What is aligned beside the gradients.</param>
    public HessianAlignment(ParameterSpace head, AlignmentKind kind = AlignmentKind.GradientProduct)
    {
        (_head, Kind) = (head, kind);
        Alpha = kind == AlignmentKind.GradientProduct ? 1e-4 : 1e-3;
    }

    /// <summary>What is aligned beside the gradients.</summary>
    public AlignmentKind Kind { get; }

    /// <summary>alpha, the weight of the Hessians' part.</summary>
    public double Alpha { get; init; }

    /// <summary>beta, the weight of the gradients' part. <value>5e-3.</value></summary>
    public double Beta { get; init; } = 5e-3;

    /// <summary>Probes of a diagonal, the same for all domains. <value>300.</value></summary>
    public int Probes { get; init; } = 300;

    /// <summary>Seed of the probes.</summary>
    public int Seed { get; init; }

    /// <summary>The regulariser, a scalar with its graph, in the caller's scope.</summary>
    /// <param name="losses">One scalar a domain, with their graphs, which stay usable: at least two.</param>
    /// <exception cref="CurvatureException">Fewer than two domains, a loss that is no scalar, one without a second derivative, no probe.</exception>
    public Tensor Penalty(IReadOnlyList<Tensor> losses)
    {
        if (losses.Count < 2 || Probes < 1)
        {
            throw new CurvatureException($"Alignment takes at least two domains and one probe; got {losses.Count} and {Probes}.");
        }

        int bad = Enumerable.Range(0, losses.Count).FirstOrDefault(e => losses[e].numel() != 1, -1);
        if (bad >= 0)
        {
            throw new CurvatureException($"The loss of a domain is a scalar; that of domain {bad} is [{string.Join(", ", losses[bad].shape)}].");
        }

        using IDisposable grad = enable_grad();
        foreach (Tensor loss in losses) // each has a graph of its own, and another one in the next step
        {
            Gradients.Check(() => loss.alias(), _head.Parameters, twice: true, keepGraph: true);
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor[] g = [.. losses.Select(loss => Flat(Gradients.Of(loss, _head.Parameters, createGraph: true)))];
        Tensor[] a = [.. g.Select(part => Kind == AlignmentKind.GradientProduct ? Product(part) : Diagonal(part))];
        return Spread(a).mul(Alpha).add(Spread(g).mul(Beta)).MoveToOuterDisposeScope();
    }

    /// <summary><c>(1/n) sum_e |x_e - mean x|^2</c>.</summary>
    private static Tensor Spread(Tensor[] x)
    {
        Tensor all = stack(x);
        return all.sub(all.sum(dim: 0).div(x.Length)).square().sum().div(x.Length);
    }

    /// <summary><c>H g = d(|g|^2 / 2) / d head</c>.</summary>
    private Tensor Product(Tensor g) => Flat(Gradients.Of(g.square().sum().mul(0.5), _head.Parameters, createGraph: true));

    private Tensor Diagonal(Tensor g)
    {
        Tensor sum = zeros_like(g.detach());
        for (int k = 0; k < Probes; k++)
        {
            Tensor z = Tensors.Probes.Draw(ProbeKind.Rademacher, _head.Count, k, 1, Seed, g.dtype, g.device).reshape(-1);
            sum = sum.add(z.mul(Flat(Gradients.Of(g.mul(z).sum(), _head.Parameters, createGraph: true))));
        }

        return sum.div(Probes);
    }

    private Tensor Flat(Tensor?[] parts) =>
        ParameterSpace.Join([.. parts.Select((part, i) => (part ?? zeros_like(_head.Parameters[i].detach())).reshape(-1))]);
}
