using Curvature.Data;
using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <content>Several ranks: each has the entries of its share of the parameters, products with the window are sums over the ranks, and what all need of a vector each sends of its own.</content>
public sealed partial class MfacWindow
{
    /// <summary>Parameters whose entries of the gradients are held here: all that take part, or of several ranks this one's share.</summary>
    public long OwnParameters => First(_ranks.Rank + 1) - First(_ranks.Rank);

    /// <summary>Where a rank's share of the parameters begins.</summary>
    private long First(int rank) => rank * Taking / _ranks.Count;

    /// <summary>This rank's entries of a vector over the parameters that take part.</summary>
    private Tensor Own(Tensor x) => _ranks.Count == 1 ? x : x.narrow(0, First(_ranks.Rank), OwnParameters);

    /// <summary><c>G x</c> of this rank's entries of x, summed over the ranks.</summary>
    private Tensor InnerProducts(Tensor x)
    {
        Tensor products = _window.Products(x);
        _ranks.Sum(products);
        return products;
    }

    /// <summary><c>M^{-1} b</c>: rank 0's, the same bits on all whatever their Cholesky factors' last ones. A rank that has none takes part in the sum with NaN, after which all are told.</summary>
    private Tensor Solved(Tensor b)
    {
        if (_ranks.Count == 1)
        {
            return _gram.Solve(b);
        }

        Tensor w = zeros_like(b);
        Exception? error = RankErrors.Caught(() => w.add_(_gram.Solve(b), _ranks.Rank == 0 ? 1 : 0));
        _ = error is null ? w : w.fill_(double.NaN);
        _ranks.Sum(w);
        if (!Finite.Everywhere(w))
        {
            RankErrors.Share(_ranks, error);
        }

        return w;
    }

    /// <summary>All ranks' entries of a vector over the parameters that take part.</summary>
    private Tensor Gathered(Tensor own)
    {
        if (_ranks.Count == 1)
        {
            return own;
        }

        Tensor all = zeros(Taking, own.dtype, own.device);
        Own(all).copy_(own);
        for (int rank = 0; rank < _ranks.Count; rank++)
        {
            _ranks.Broadcast(all.narrow(0, First(rank), First(rank + 1) - First(rank)), rank);
        }

        return all;
    }
}
