using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <content>How the inverses are made anew: the Cholesky inverses of all layers together, eigenvectors a layer at a time.</content>
internal sealed partial class KfacPreconditioner
{
    /// <summary>
    /// Makes the inverses of the factors as they are now, or, where an update is to be taken up, as it proposes them. At most two host synchronisations, but for eigendecompositions, which have their own. Of several ranks each makes those of its own layers: a renewal takes the time of the
    /// most loaded one. Where one fails all are told, and the inverses are as they were.
    /// </summary>
    public void Refresh(KfacFactors factors, bool updates, double damping, DampingRule rule, IRanks ranks)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        List<(LayerBlock Block, IReadOnlyList<int> Indices)> blocks = [];
        LayerBlock[] made = [];
        try
        {
            ranks.Together(() =>
            {
                if (updates)
                {
                    factors.Propose();
                }

                blocks = factors.ToBlocks();
                made = Invert([.. blocks.Select(b => b.Block)], damping, rule);
            });
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
        _blocks.AddRange(made.Zip(blocks, (inverse, block) => (inverse, block.Indices)));
        _isReady = true;
    }

    private LayerBlock[] Invert(IReadOnlyList<LayerBlock> blocks, double damping, DampingRule rule)
    {
        List<(Tensor, Tensor, string)> problems = [];
        List<Func<Tensor[], LayerBlock>> makers = [.. blocks.Select(block => Plan(block, damping, rule, problems))];
        Tensor[] solved = Factorisation.Inverses(problems);
        return [.. makers.Select(make => make(solved))];
    }

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
