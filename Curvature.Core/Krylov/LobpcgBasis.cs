using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>
/// The blocks X, P of LOBPCG with their products AX, AP, <c>[X, P]</c> orthonormal and <c>X^T A X = diag(Values)</c>.
/// </summary>
internal sealed class LobpcgBasis : IDisposable
{
    private readonly bool _descending;
    private Tensor _ax;
    private Tensor? _p;
    private Tensor? _ap;

    /// <param name="start">Columns that span the first space, <c>[P, m]</c>.</param>
    /// <param name="apply">The operator.</param>
    /// <param name="descending">Whether the largest values are wanted.</param>
    public LobpcgBasis(Tensor start, Func<Tensor, Tensor> apply, bool descending)
    {
        _descending = descending;
        using DisposeScope scope = NewDisposeScope();
        Tensor X = Orthonormal(start, []), AX = apply(X);
        (double[] theta, Tensor C) = Ritz([X], [AX], (int)X.shape[1], out _);
        (this.X, _ax, Values) = (Combine([X], C).DetachFromDisposeScope(), Combine([AX], C).DetachFromDisposeScope(), theta);
    }

    /// <summary>The Ritz vectors, orthonormal columns <c>[P, m]</c>.</summary>
    public Tensor X { get; private set; }

    /// <summary>Their Ritz values, the most wanted first.</summary>
    public double[] Values { get; private set; }

    /// <summary>The largest |Ritz value| of the last Rayleigh-Ritz step, wanted or not.</summary>
    public double LargestMagnitude { get; private set; }

    /// <summary><c>R = A X - X diag(Values)</c> and the norms of its columns.</summary>
    public (Tensor R, double[] Norms) Residuals()
    {
        Tensor R = _ax.sub(X.mul(tensor(Values, X.dtype, X.device)));
        using Tensor norms = Precision.RowNorms(R.t()).to(ScalarType.Float64).cpu();
        return (R, norms.data<double>().ToArray());
    }

    /// <summary>One Rayleigh-Ritz step on [X, W, P].</summary>
    /// <param name="W">Preconditioned residuals of the active columns.</param>
    /// <param name="active">Which columns of X those are: their directions become the next P.</param>
    /// <param name="apply">The operator.</param>
    /// <returns>False where W adds nothing to the span of X and P.</returns>
    public bool Step(Tensor W, long[] active, Func<Tensor, Tensor> apply)
    {
        using DisposeScope scope = NewDisposeScope();
        long m = X.shape[1];
        W = Orthonormal(W, _p is null ? [X] : [X, _p]);
        if (W.shape[1] == 0)
        {
            return false;
        }

        Tensor[] S = _p is null ? [X, W] : [X, W, _p], AS = _p is null ? [_ax, apply(W)] : [_ax, apply(W), _ap!];
        (Values, Tensor C) = Ritz(S, AS, (int)m, out Tensor B);

        // Directions: the step without its part in X, made orthogonal to the new X by its coefficients (in the inner product B = S^T S).
        Tensor D = C.index_select(1, tensor(active)).clone();
        D.narrow(0, 0, m).zero_();
        D = D.sub(C.mm(C.t().mm(B.mm(D))));
        D = D.sub(C.mm(C.t().mm(B.mm(D))));
        D = SquareRootOrthonormal(D, D.t().mm(B.mm(D)), 1e-8);

        Tensor x = Combine(S, C), ax = Combine(AS, C), p = Combine(S, D), ap = Combine(AS, D);
        Dispose();
        (X, _ax) = (x.DetachFromDisposeScope(), ax.DetachFromDisposeScope());
        (_p, _ap) = D.shape[1] == 0 ? (null, null) : (p.DetachFromDisposeScope(), ap.DetachFromDisposeScope());
        return true;
    }

    public void Dispose()
    {
        X.Dispose();
        _ax.Dispose();
        _p?.Dispose();
        _ap?.Dispose();
    }

    /// <summary>
    /// The m most wanted Ritz values on the span of S with their coefficients <c>[s, m]</c>, <c>C^T B C = I</c>: <c>S^T A S c = theta B c</c> with
    /// <c>B = S^T S</c>, which is I up to the rounding that it takes out again.
    /// </summary>
    private (double[] Theta, Tensor C) Ritz(Tensor[] S, Tensor[] AS, int m, out Tensor B)
    {
        B = Grams(S, S);
        Tensor T = Grams(S, AS), L = linalg.cholesky(B);
        Tensor half = linalg.solve_triangular(L, T.add(T.t()).mul_(0.5), upper: false);
        Tensor reduced = linalg.solve_triangular(L, half.t(), upper: false);
        (Tensor theta, Tensor Y) = linalg.eigh(reduced.add(reduced.t()).mul_(0.5));
        double[] ascending = theta.data<double>().ToArray();
        LargestMagnitude = ascending.Max(Math.Abs);
        int[] order = [.. Enumerable.Range(0, ascending.Length).OrderBy(i => _descending ? -ascending[i] : ascending[i]).Take(m)];
        Tensor chosen = Y.index_select(1, tensor(order.Select(i => (long)i).ToArray()));
        return ([.. order.Select(i => ascending[i])], linalg.solve_triangular(L.t(), chosen, upper: true));
    }

    /// <summary>All inner products of two rows of blocks, float64 on the CPU.</summary>
    private static Tensor Grams(Tensor[] S, Tensor[] U) => cat([.. S.Select(s => cat([.. U.Select(u => Precision.Gram(s, u))], 1))]);

    /// <summary><c>sum_i S_i C_i</c>, C_i the rows of C that belong to block i; in the working precision.</summary>
    private static Tensor Combine(Tensor[] S, Tensor C)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor sum = S[0].mm(C.narrow(0, 0, S[0].shape[1]).to(S[0].dtype, S[0].device));
        long first = S[0].shape[1];
        foreach (Tensor block in S.Skip(1))
        {
            using DisposeScope inner = NewDisposeScope();
            sum.add_(block.mm(C.narrow(0, first, block.shape[1]).to(block.dtype, block.device)));
            first += block.shape[1];
        }

        return sum.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// An orthonormal basis of what W adds to the orthonormal blocks: at most as many columns, fewer where some add nothing beyond rounding.
    /// Twice is enough, and the directions are found by the singular value decomposition of W through its Gram matrix (Stathopoulos and Wu
    /// 2002, SVQB).
    /// </summary>
    private static Tensor Orthonormal(Tensor W, Tensor[] blocks)
    {
        using DisposeScope scope = NewDisposeScope();
        W = W.div(Precision.RowNorms(W.t()).t());
        for (int pass = 0; pass < 3 && W.shape[1] > 0; pass++)
        {
            foreach (Tensor block in blocks)
            {
                W = W.sub(block.mm(block.t().mm(W)));
            }

            W = SquareRootOrthonormal(W, Precision.Gram(W, W), 100 * Precision.Epsilon(W.dtype));
        }

        return W.MoveToOuterDisposeScope();
    }

    /// <summary><c>W U diag(sigma)^{-1}</c> for the Gram matrix <c>U diag(sigma^2) U^T</c>, without the directions below <paramref name="least"/>.</summary>
    private static Tensor SquareRootOrthonormal(Tensor W, Tensor gram, double least)
    {
        (Tensor squares, Tensor U) = linalg.eigh(gram.add(gram.t()).mul_(0.5));
        double[] sigma = [.. squares.data<double>().ToArray().Select(s => Math.Sqrt(Math.Max(s, 0)))];
        int kept = sigma.Count(s => s > least), dropped = sigma.Length - kept;
        Tensor scaled = U.narrow(1, dropped, kept).div(tensor(sigma[dropped..]));
        return W.mm(scaled.to(W.dtype, W.device));
    }
}
