using System.Text.Json;
using Curvature.Objectives;
using Curvature.Tensors;
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
internal sealed class KfacPreconditioner(double? momentDecay, long? largestBlock = null) : IDisposable
{
    private readonly List<(LayerBlock Block, IReadOnlyList<int> Indices)> _blocks = [];

    /// <summary>Whether there is something to multiply by.</summary>
    public bool IsReady => _blocks.Count > 0;

    /// <summary>The tensors, by the block's first parameter and a name; they stay this object's.</summary>
    public IEnumerable<(int Parameter, string Key, Tensor Value)> Parts => _blocks.SelectMany(b => b.Block.Parts.Select(part => (b.Indices[0], part.Key, part.Value)));

    /// <summary>
    /// Makes the inverses of the factors as they are now. At most two host synchronisations, but for eigendecompositions, which have their own. Of several ranks each makes those of its share of the layers and has the others'
    /// from them: a renewal takes the time of the most loaded rank, and the inverses are the same bits on all, which eigenvectors that each computes for itself need not be.
    /// </summary>
    public void Refresh(KfacFactors factors, double damping, DampingRule rule, IRanks ranks)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        List<(LayerBlock Block, IReadOnlyList<int> Indices)> blocks = factors.ToBlocks();
        LayerBlock[] inverses = [], made = [];
        try
        {
            int[] owners = LayerShares.Of([.. blocks.Select(b => Cost(b.Block))], ranks.Count), own = [.. Enumerable.Range(0, blocks.Count).Where(i => owners[i] == ranks.Rank)];
            ranks.Together(() => made = Invert([.. own.Select(i => blocks[i].Block)], damping, rule));
            inverses = ranks.Count == 1 ? made : Exchanged(factors, owners, made, ranks);
        }
        catch
        {
            Array.ForEach(made, block => block.Dispose()); // another rank's may have failed
            throw;
        }
        finally
        {
            blocks.ForEach(b => b.Block.Dispose());
        }

        Clear();
        _blocks.AddRange(inverses.Zip(blocks, (inverse, block) => (inverse, block.Indices)));
    }

    /// <summary>Takes over inverses that were saved.</summary>
    /// <param name="factors">Whose blocks they belong to.</param>
    /// <param name="parts">By the block's first parameter; taken over.</param>
    public void Restore(KfacFactors factors, Func<int, IReadOnlyDictionary<string, Tensor>> parts)
    {
        Clear();
        foreach (LayerStatistics block in factors.Statistics)
        {
            IReadOnlyDictionary<string, Tensor> saved = parts(block.Indices[0]);
            if (saved.Count > 0)
            {
                _blocks.Add((block.Restore(saved), block.Indices));
            }
        }
    }

    /// <summary><c>(B + lambda I)^{-1} g</c>, an entry a parameter; null where there is no gradient. Running moments follow the gradient first.</summary>
    /// <param name="gradient">Null where zero.</param>
    /// <param name="ofLoss">The loss's own, without what an L2 term has added: it is no mean of samples. What moments follow.</param>
    /// <param name="parameters">Of the same shapes.</param>
    /// <param name="damping">lambda, for EKFAC.</param>
    /// <param name="samples">M, for EKFAC.</param>
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
            Tensor Joined(IReadOnlyList<Tensor?> parts) => ParameterSpace.Join([.. indices.Select(i => (parts[i] ?? zeros_like(parameters[i])).reshape(-1))]);
            Tensor g = Joined(gradient);
            bool isLoss = indices.All(i => ReferenceEquals(gradient[i], ofLoss[i]));
            Tensor d = momentDecay is { } alpha && block is EigenBlock eigen ? Follow(eigen, g, isLoss ? g : Joined(ofLoss), alpha, damping, samples) : block.Times(g);
            long first = 0;
            foreach (int i in indices)
            {
                long count = parameters[i].numel();
                directions[i] = gradient[i] is null ? null : d.narrow(0, first, count).reshape(parameters[i].shape).MoveToOuterDisposeScope();
                first += count;
            }
        }

        return directions;
    }

    /// <summary>Forgets the inverses.</summary>
    public void Clear()
    {
        _blocks.ForEach(b => b.Block.Dispose());
        _blocks.Clear();
    }

    public void Dispose() => Clear();

    private static Tensor Follow(EigenBlock block, Tensor g, Tensor ofLoss, double alpha, double damping, double samples)
    {
        Tensor inBasis = block.ToBasis(g.unsqueeze(1)), seen = ReferenceEquals(g, ofLoss) ? inBasis : block.ToBasis(ofLoss.unsqueeze(1)), s = block.Eigenvalues;
        s.mul_(alpha).add_(seen.squeeze(3).square(), (1 - alpha) * samples);
        return block.FromBasis(inBasis.div(s.add(damping).unsqueeze(3))).squeeze(1);
    }

    private LayerBlock[] Invert(IReadOnlyList<LayerBlock> blocks, double damping, DampingRule rule)
    {
        List<(Tensor, Tensor, string)> problems = [];
        List<Func<Tensor[], LayerBlock>> makers = [.. blocks.Select(block => Plan(block, damping, rule, problems))];
        Tensor[] solved = Factorisation.Inverses(problems);
        return [.. makers.Select(make => make(solved))];
    }

    /// <summary>All ranks' inverses, of the same numbers in the same layout on each.</summary>
    private static LayerBlock[] Exchanged(KfacFactors factors, int[] owners, LayerBlock[] made, IRanks ranks)
    {
        LayerBlock[] all = new LayerBlock[owners.Length];
        for (int rank = 0; rank < ranks.Count; rank++)
        {
            int[] theirs = [.. Enumerable.Range(0, owners.Length).Where(i => owners[i] == rank)];
            if (theirs.Length == 0)
            {
                continue;
            }

            using DisposeScope scope = NewDisposeScope();
            bool isOwner = rank == ranks.Rank;
            string? own = isOwner ? JsonSerializer.Serialize(made.Select(block => block.Parts.ToDictionary(part => part.Key, part => part.Value.shape))) : null;
            Dictionary<string, long[]>[] shapes = JsonSerializer.Deserialize<Dictionary<string, long[]>[]>(ranks.TextFrom(rank, own))!;
            static long Size(long[] shape) => shape.Aggregate(1L, (size, side) => size * side);
            Tensor numbers = isOwner
                ? ParameterSpace.Join([.. made.SelectMany(block => block.Parts).Select(part => part.Value.reshape(-1))])
                : empty(shapes.Sum(block => block.Values.Sum(Size)), factors.Parameters.DType, factors.Parameters.Device);
            ranks.Broadcast(numbers, rank);
            long at = 0;
            foreach ((int i, Dictionary<string, long[]> block) in theirs.Zip(shapes))
            {
                Dictionary<string, Tensor> parts = [];
                foreach ((string key, long[] shape) in block)
                {
                    parts[key] = numbers.narrow(0, at, Size(shape)).view(shape).clone();
                    at += Size(shape);
                }

                all[i] = factors.Statistics[i].Restore(parts);
            }
        }

        Array.ForEach(made, block => block.Dispose());
        return all;
    }

    /// <summary>What its inverse costs, in multiplications but for a factor.</summary>
    private double Cost(LayerBlock block) => block.Parts.Sum(part => part.Value is var S && S.dim() > 1 && S.shape[^1] == S.shape[^2]
        ? (double)S.numel() * Math.Min(S.shape[^1], largestBlock ?? long.MaxValue)
        : S.numel());

    /// <summary>Adds a block's Cholesky inverses to those that are made together; returns what makes its inverse of them.</summary>
    private Func<Tensor[], LayerBlock> Plan(LayerBlock block, double damping, DampingRule rule, List<(Tensor, Tensor, string)> problems)
    {
        switch (block)
        {
            case KroneckerBlock product when momentDecay is not null:
                return _ => product.Diagonalised();
            case KroneckerBlock product when rule != DampingRule.ExactEigen:
                (Tensor l, Tensor r) = product.Shifts(damping, rule);
                Func<Tensor[], Tensor> left = Side(product.Left, l, block.Name, problems), right = Side(product.Right, r, block.Name, problems);
                return solved => product.With(left(solved), right(solved));
            case FullBlock:
                int place = problems.Count;
                problems.Add((block.Parts[0].Value.unsqueeze(0), full(1, damping, block.DType, block.Device), block.Name));
                return solved => new FullBlock(block.Name, solved[place].squeeze(0));
            default:
                return _ => block.Inverse(damping, rule);
        }
    }

    private Func<Tensor[], Tensor> Side(Tensor S, Tensor shift, string owner, List<(Tensor, Tensor, string)> problems)
    {
        if (S.dim() == 2)
        {
            return _ => S.add(shift.unsqueeze(1)).reciprocal(); // an embedding's tokens: diagonal
        }

        int place = problems.Count;
        Tensor blocks = largestBlock is { } largest && S.shape[0] == 1 && S.shape[1] > largest ? KroneckerFactor.BlocksOf(S, largest) : S;
        problems.Add((blocks, blocks.shape[0] == shift.shape[0] ? shift : shift.repeat(blocks.shape[0]), owner));
        return solved => solved[place];
    }
}
