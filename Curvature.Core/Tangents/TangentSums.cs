using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// Sums, one a leaf, of what k directions contribute, one after the other or all at once: <c>[k, leaf...]</c> each, made when the first contribution comes. A whole first contribution is taken as it is, and never written to: it may
/// be another's too.
/// </summary>
internal sealed class TangentSums(int leaves, int k) : IDisposable
{
    private readonly Tensor?[] _sums = new Tensor?[leaves];
    private readonly bool[] _borrowed = new bool[leaves];
    private readonly bool[,] _filled = new bool[leaves, k];

    /// <summary>A leaf's sums, owned here; null where nothing came.</summary>
    public Tensor? this[int leaf]
    {
        get
        {
            for (int j = 0; j < k && _sums[leaf] is not null; j++)
            {
                if (!_filled[leaf, j])
                {
                    Own(leaf, j).zero_();
                }
            }

            return _sums[leaf];
        }
    }

    /// <summary>Adds to direction j's sum of a leaf; null: nothing.</summary>
    public void Add(int leaf, int j, Tensor? part)
    {
        if (part is null)
        {
            return;
        }

        if (k == 1)
        {
            Add(leaf, part.unsqueeze(0));
            return;
        }

        if (_sums[leaf] is { } borrowed && _borrowed[leaf])
        {
            _sums[leaf] = borrowed.clone().DetachFromDisposeScope();
            _borrowed[leaf] = false;
            borrowed.Dispose();
        }

        _sums[leaf] ??= empty([k, .. part.shape], part.dtype, part.device).DetachFromDisposeScope();
        if (_filled[leaf, j])
        {
            Own(leaf, j).add_(part);
        }
        else
        {
            Own(leaf, j).copy_(part);
        }
    }

    /// <summary>Adds to the sums of all directions.</summary>
    /// <param name="leaf">The leaf.</param>
    /// <param name="parts"><c>[k, leaf...]</c>.</param>
    public void Add(int leaf, Tensor parts)
    {
        Tensor? before = this[leaf];
        if (before is null)
        {
            _sums[leaf] = parts.alias().DetachFromDisposeScope();
            _borrowed[leaf] = true;
        }
        else if (_borrowed[leaf])
        {
            _sums[leaf] = before.add(parts).DetachFromDisposeScope();
            _borrowed[leaf] = false;
            before.Dispose();
        }
        else
        {
            before.add_(parts);
        }

        for (int j = 0; j < k; j++)
        {
            _filled[leaf, j] = true;
        }
    }

    /// <summary>Gives a leaf's sums back.</summary>
    public void Free(int leaf)
    {
        _sums[leaf]?.Dispose();
        _sums[leaf] = null;
    }

    public void Dispose()
    {
        for (int leaf = 0; leaf < _sums.Length; leaf++)
        {
            Free(leaf);
        }
    }

    private Tensor Own(int leaf, int j)
    {
        _filled[leaf, j] = true;
        return _sums[leaf]!.select(0, j);
    }
}
