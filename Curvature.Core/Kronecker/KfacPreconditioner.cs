using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// The damped inverses of KFAC's blocks as an optimizer holds them between two refreshes: <c>v = (B + lambda I)^{-1} g</c>. Or, as EKFAC with a running second moment (George et al. 2018, section 4.2), the
/// eigenvectors of the factors and <c>s</c>, which starts as the products of their eigenvalues at a refresh and then follows the gradients,
/// <c>s = alpha s + (1 - alpha) M (U_G^T g U_A)^2</c> with M the number of samples, so that <c>E[M g^2]</c> is the mean square of one; damped exactly when it is used.
/// </summary>
/// <param name="momentDecay">alpha; null: no EKFAC.</param>
/// <param name="largestBlock">Factors with more rows are replaced by blocks on their diagonal before they are inverted; null: none are.</param>
internal sealed partial class KfacPreconditioner(double? momentDecay, long? largestBlock = null) : IDisposable
{
    private readonly List<(LayerBlock Block, IReadOnlyList<int> Indices)> _blocks = [];

    private bool? _isReady = false; // null: others have not said whether they are

    /// <summary>Whether there are inverses of all layers, of several ranks on each of them those of its own; collective after a <see cref="Restore"/>.</summary>
    /// <param name="factors">Whose blocks they belong to.</param>
    /// <param name="ranks">The ranks.</param>
    public bool IsReady(KfacFactors factors, IRanks ranks) => _isReady ??= ranks.Sum(_blocks.Count == factors.Own.Count() ? 0 : 1) == 0;

    /// <summary>The tensors, by the block's first parameter and a name; they stay this object's.</summary>
    public IEnumerable<(int Parameter, string Key, Tensor Value)> Parts => _blocks.SelectMany(b => b.Block.Parts.Select(part => (b.Indices[0], part.Key, part.Value)));

    /// <summary>Takes over inverses that were saved.</summary>
    /// <param name="factors">Whose blocks they belong to.</param>
    /// <param name="parts">By the block's first parameter; taken over.</param>
    /// <exception cref="CurvatureException">Some have other shapes than the block's.</exception>
    public void Restore(KfacFactors factors, Func<int, IReadOnlyDictionary<string, Tensor>> parts)
    {
        Clear();
        _isReady = null;
        foreach (LayerStatistics block in factors.Own)
        {
            IReadOnlyDictionary<string, Tensor> saved = parts(block.Indices[0]);
            if (saved.Count == 0)
            {
                continue;
            }

            try
            {
                _blocks.Add((block.Restore(saved), block.Indices));
            }
            catch
            {
                foreach (Tensor part in saved.Values)
                {
                    part.Dispose();
                }

                throw;
            }
        }
    }

    /// <summary><c>(B + lambda I)^{-1} g</c>, an entry a parameter; null where there is no gradient. Running moments follow the gradient first.</summary>
    /// <param name="gradient">Null where zero.</param>
    /// <param name="ofLoss">The loss's own, without what an L2 term has added: it is no mean of samples. What moments follow.</param>
    /// <param name="parameters">Of the same shapes.</param>
    /// <param name="damping">lambda, for EKFAC.</param>
    /// <param name="samples">M, for EKFAC.</param>
    /// <returns>Where ranks divide the layers, the directions of this one's: <see cref="Gathered"/> has all.</returns>
    public Tensor?[] Apply(IReadOnlyList<Tensor?> gradient, IReadOnlyList<Tensor?> ofLoss, IReadOnlyList<Tensor> parameters, double damping, double samples)
    {
        Tensor?[] directions = new Tensor?[gradient.Count];
        foreach ((LayerBlock block, IReadOnlyList<int> indices) in _blocks)
        {
            if (indices.All(i => gradient[i] is null))
            {
                continue;
            }

            using DisposeScope scope = NewDisposeScope();
            foreach ((int i, Tensor d) in indices.Zip(Direction(block, indices, gradient, ofLoss, parameters, damping, samples)))
            {
                directions[i] = gradient[i] is null ? null : d.reshape(parameters[i].shape).MoveToOuterDisposeScope();
            }
        }

        return directions;
    }

    /// <summary>All ranks' directions, the same bits on each: every rank sends those of its layers, P numbers in all, and one that says whether it could make them. Collective.</summary>
    /// <param name="own">As <see cref="Apply"/> gave them; disposed.</param>
    /// <param name="error">What went wrong with them here, or null: it becomes one on all.</param>
    /// <param name="gradient">Null where there is no direction.</param>
    /// <param name="factors">Whose blocks they belong to.</param>
    /// <param name="ranks">The ranks.</param>
    public static Tensor?[] Gathered(Tensor?[] own, Exception? error, IReadOnlyList<Tensor?> gradient, KfacFactors factors, IRanks ranks)
    {
        if (ranks.Count == 1)
        {
            return own;
        }

        ILookup<int, int> parameters = factors.Statistics.SelectMany(b => b.Indices.Where(i => gradient[i] is not null).Select(i => (Rank: factors.Shares.OwnerOf(b.Indices), i))).ToLookup(part => part.Rank, part => part.i);
        Tensor all = empty(gradient.Sum(g => g?.numel() ?? 0) + ranks.Count, factors.Parameters.DType, factors.Parameters.Device);
        Tensor?[] directions = new Tensor?[gradient.Count];
        List<Tensor> failures = [];
        long at = 0;
        for (int rank = 0; rank < ranks.Count; rank++)
        {
            long first = at;
            foreach (int i in parameters[rank])
            {
                long count = gradient[i]!.numel();
                directions[i] = all.narrow(0, at, count).view(gradient[i]!.shape);
                at += count;
                if (rank == ranks.Rank && error is null)
                {
                    directions[i]!.copy_(own[i]!);
                    own[i]!.Dispose();
                }
            }

            failures.Add(all.narrow(0, at++, 1).fill_(error is null ? 0 : 1)); // a rank without layers sends it too: what else it does for the step may fail
            using Tensor theirs = all.narrow(0, first, at - first);
            ranks.Broadcast(theirs, rank);
        }

        if (cat([.. failures]).ne(0).any().ToBoolean())
        {
            RankErrors.Share(ranks, error);
        }

        return directions;
    }

    /// <summary>The direction of one layer from its inverse, a part for each of its parameters; in the caller's scope.</summary>
    private IReadOnlyList<Tensor> Direction(
        LayerBlock block, IReadOnlyList<int> indices, IReadOnlyList<Tensor?> gradient, IReadOnlyList<Tensor?> ofLoss, IReadOnlyList<Tensor> parameters, double damping, double samples)
    {
        IReadOnlyList<Tensor> Own(IReadOnlyList<Tensor?> parts) => [.. indices.Select(i => parts[i] ?? zeros_like(parameters[i]))];
        IReadOnlyList<Tensor> g = Own(gradient);
        if (momentDecay is not { } alpha || block is not EigenBlock eigen)
        {
            return block.Times(g);
        }

        bool isLoss = indices.All(i => ReferenceEquals(gradient[i], ofLoss[i]));
        return Follow(eigen, g, isLoss ? g : Own(ofLoss), alpha, damping, samples);
    }

    /// <summary>Forgets the inverses.</summary>
    public void Clear()
    {
        _blocks.ForEach(b => b.Block.Dispose());
        _blocks.Clear();
        _isReady = false;
    }

    public void Dispose() => Clear();

    private static IReadOnlyList<Tensor> Follow(EigenBlock block, IReadOnlyList<Tensor> g, IReadOnlyList<Tensor> ofLoss, double alpha, double damping, double samples)
    {
        Tensor inBasis = block.ToBasis(g), seen = ReferenceEquals(g, ofLoss) ? inBasis : block.ToBasis(ofLoss), s = block.Eigenvalues;
        s.mul_(alpha).add_(seen.squeeze(3).square(), (1 - alpha) * samples);
        return block.FromBasis(inBasis.div(s.add(damping).unsqueeze(3)));
    }
}
