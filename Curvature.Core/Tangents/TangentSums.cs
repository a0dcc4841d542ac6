using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>Sums, one a leaf, of what k directions contribute one after the other: <c>[k, leaf...]</c> each, made when the first contribution comes.</summary>
internal sealed class TangentSums(int leaves, int k) : IDisposable
{
    private readonly Tensor?[] _sums = new Tensor?[leaves];
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

    public void Dispose()
    {
        foreach (Tensor? sum in _sums)
        {
            sum?.Dispose();
        }
    }

    private Tensor Own(int leaf, int j)
    {
        _filled[leaf, j] = true;
        return _sums[leaf]!.select(0, j);
    }
}
