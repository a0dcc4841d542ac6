using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>
/// The inverse of M-FAC, <c>F^-1</c> of <c>F = lambda I + (1/m) sum_b g_b g_b^T</c>, with the m gradients spread over the ranks by parameters: each holds <c>[m, P / n]</c> of them, so that n ranks hold n times as many as one. With <c>G_r</c> a rank's columns,
/// <c>F^-1 x = (x - G^T s) / lambda</c>, <c>(m lambda I + sum_r G_r G_r^T) s = sum_r G_r x_r</c>. <c>[P, P]</c>, symmetric, positive definite.
/// <para>
/// The gradients are those of the batches of all ranks, weighted by their terms as in <see cref="MfacInverse.FromBatches"/>, whose matrix this is. Sums over parameters and the m x m system are in float64, so that products in
/// float32 keep their digits at a small damping.
/// </para>
/// <para>
/// Cost: a gradient a batch, each then once to every rank (m sums of P numbers), and <c>m^2 P / n</c> multiplications; a product two passes over the rank's part, one sum of m numbers a vector and one of P. Memory of a rank: <c>m P / n</c> numbers, <c>m^2</c> in
/// float64 and a few vectors. Dispose it to release them.
/// Frantar, Kurtic, Alistarh 2021, M-FAC: Efficient Matrix-Free Approximations of Second-Order Information; the inverse by the matrix-inversion lemma in place of its recursion.
/// </para>
/// </summary>
public sealed partial class ShardedMfacInverse : LinearOperator
{
    /// <summary>Columns that are in float64 at a time.</summary>
    private const long Stretch = 1 << 16;

    private readonly IRanks _ranks;
    private readonly Tensor _gradients;
    private readonly Tensor _factor;
    private readonly long _first;

    private ShardedMfacInverse(IRanks ranks, Tensor gradients, Tensor factor, long first, long parameters, double damping)
        : base(parameters, parameters, isSymmetric: true, gradients.dtype, gradients.device) =>
        (_ranks, _gradients, _factor, _first, Damping) = (ranks, gradients.DetachFromDisposeScope(), factor.DetachFromDisposeScope(), first, damping);

    /// <summary>m, the gradients of all ranks' batches.</summary>
    public long Gradients => _gradients.shape[0];

    /// <summary>lambda.</summary>
    public double Damping { get; }

    /// <summary>Parameters whose entries of the gradients this rank holds.</summary>
    public long OwnParameters => _gradients.shape[1];

    /// <summary>Gathers the gradients of all batches that have terms. Collective.</summary>
    /// <param name="objective">The loss and this rank's batches, its <see cref="Objective.Ranks"/> those who share them; the L2 term is no part of F.</param>
    /// <param name="damping">lambda, positive.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <returns>The caller's to dispose.</returns>
    /// <exception cref="CurvatureException">A damping that is not positive; no loss terms; gradients that do not fit into memory.</exception>
    /// <exception cref="NonFiniteException">A gradient is NaN or infinite.</exception>
    public static ShardedMfacInverse FromBatches(Objective objective, double damping = 1e-3, CancellationToken cancellation = default) => FromBatches(objective, damping, mask: null, cancellation);

    /// <summary>The same with some parameters left out, as weights that are pruned. Collective.</summary>
    /// <param name="objective">As above.</param>
    /// <param name="damping">lambda, positive.</param>
    /// <param name="mask">Boolean <c>[P]</c>, the same on every rank: where it is false, gradients count as zero, and F is <c>lambda I</c> there. Null: nowhere.</param>
    /// <param name="cancellation">Ends between two batches.</param>
    /// <returns>The caller's to dispose.</returns>
    /// <exception cref="CurvatureException">As above, or a mask of another shape or type.</exception>
    /// <exception cref="NonFiniteException">A gradient is NaN or infinite.</exception>
    public static ShardedMfacInverse FromBatches(Objective objective, double damping, Tensor? mask, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(objective);
        if (!double.IsFinite(damping) || damping <= 0)
        {
            throw new CurvatureException(FormattableString.Invariant($"The damping of an inverse is positive and finite; got {damping}."));
        }

        if (mask is not null && (mask.dtype != ScalarType.Bool || !mask.shape.SequenceEqual([objective.Parameters.Count])))
        {
            throw new CurvatureException($"The mask is a boolean vector [{objective.Parameters.Count}]; got [{string.Join(", ", mask.shape)}] of {mask.dtype}.");
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        IRanks ranks = objective.Ranks;
        int count = 0;
        objective.Together(() => count = objective.PassOfShard(cancellation).Count(), cancellation);
        int[] counts = [.. ranks.Gather(count).Select(c => (int)c)];
        long m = counts.Sum(), parameters = objective.Parameters.Count, first = ranks.Rank * parameters / ranks.Count, own = ((ranks.Rank + 1) * parameters / ranks.Count) - first;
        objective.Together(
            () => DeviceMemory.RequireVectors(m, own, objective.Parameters.DType, objective.Parameters.Device, "Take fewer batches, or more ranks on other machines.", "gradient"),
            cancellation);
        Tensor gradients = empty([m, own], objective.Parameters.DType, objective.Parameters.Device);
        Gather(objective, counts, gradients, first, cancellation);
        if (mask is not null)
        {
            gradients.mul_(mask.narrow(0, first, own).to(gradients.dtype));
        }

        Tensor gram = zeros([m, m], ScalarType.Float64, gradients.device);
        ForEachStretch(gradients, (G, _) => gram.add_(G.mm(G.t())));
        ranks.Sum(gram);
        gram.diagonal().add_(m * damping);
        return new ShardedMfacInverse(ranks, gradients, linalg.cholesky(gram), first, parameters, damping);
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V)
    {
        long k = V.shape[1];
        Tensor own = V.narrow(0, _first, OwnParameters).to(ScalarType.Float64), inner = zeros([Gradients, k], ScalarType.Float64, Device);
        ForEachStretch(_gradients, (G, at) => inner.add_(G.mm(own.narrow(0, at, G.shape[1]))));
        _ranks.Sum(inner);
        Tensor s = inner.cholesky_solve(_factor), result = zeros([Rows, k], DType, Device);
        ForEachStretch(_gradients, (G, at) => result.narrow(0, _first + at, G.shape[1]).copy_(own.narrow(0, at, G.shape[1]).sub(G.t().mm(s)).div_(Damping)));
        _ranks.Sum(result);
        return result;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _gradients.Dispose();
        _factor.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Fills a rank's columns: in each round every rank makes the gradient of its next batch, and then each of them goes to all.</summary>
    private static void Gather(Objective objective, int[] counts, Tensor gradients, long first, CancellationToken cancellation)
    {
        IRanks ranks = objective.Ranks;
        double total = objective.Reduction == Reduction.Mean ? objective.TermsOfAll(cancellation) : 1;
        using IEnumerator<ObjectiveBatch> batches = objective.PassOfShard(cancellation).GetEnumerator();
        for (int round = 0; round < counts.Max(); round++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor? own = null;
            objective.Together(
                () => own = round >= counts[ranks.Rank] ? null
                    : batches.MoveNext() ? Gradient(objective, batches.Current, Math.Sqrt(gradients.shape[0] * batches.Current.Terms / total))
                    : throw new CurvatureException($"The data had {counts[ranks.Rank]} batches when they were counted and has {round} now: batches must be the same each time."),
                cancellation);
            for (int rank = 0; rank < ranks.Count; rank++)
            {
                if (round < counts[rank])
                {
                    Tensor sent = rank == ranks.Rank ? own! : zeros(objective.Parameters.Count, gradients.dtype, gradients.device);
                    ranks.Sum(sent);
                    gradients.select(0, counts.Take(rank).Sum() + round).copy_(sent.narrow(0, first, gradients.shape[1]));
                }
            }
        }
    }

    private static Tensor Gradient(Objective objective, ObjectiveBatch batch, double scale)
    {
        objective.EnsureDifferentiable();
        Tensor g = zeros(objective.Parameters.Count, objective.Parameters.DType, objective.Parameters.Device);
        using (enable_grad())
        {
            objective.Accumulate(g, Tensors.Gradients.Of(batch.Loss(), objective.Parameters.Parameters, createGraph: false), scale);
        }

        objective.CheckFinite(g, $"gradient of batch {batch.Index}");
        return g;
    }

    private static void ForEachStretch(Tensor gradients, Action<Tensor, long> use)
    {
        for (long at = 0; at < gradients.shape[1]; at += Stretch)
        {
            using DisposeScope scope = NewDisposeScope();
            use(gradients.narrow(1, at, Math.Min(Stretch, gradients.shape[1] - at)).to(ScalarType.Float64), at);
        }
    }
}
