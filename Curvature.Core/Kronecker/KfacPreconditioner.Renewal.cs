using System.Text.Json;
using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <content>How the inverses are made anew: the Cholesky inverses of all layers together, eigenvectors a layer at a time.</content>
internal sealed partial class KfacPreconditioner
{
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
