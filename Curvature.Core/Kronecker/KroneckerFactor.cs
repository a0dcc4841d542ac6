using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// One side of a Kronecker product: symmetric positive semi-definite matrices, one a group, <c>[K, d, d]</c>; or diagonal ones by their diagonals, <c>[K, d]</c> (an embedding's tokens).
/// Or, of one group, the blocks on its diagonal, <c>[n, b, b]</c> with <c>n b &gt;= d</c>, which are to be multiplied by and no more (<see cref="BlocksOf"/>).
/// </summary>
/// <param name="values">Becomes this object's.</param>
/// <param name="size">d; null: what the shape says.</param>
internal sealed class KroneckerFactor(Tensor values, long? size = null) : IDisposable
{
    private readonly Tensor _values = values.DetachFromDisposeScope();
    private Tensor? _eigenvalues;

    /// <summary>The entries.</summary>
    public Tensor Values => _values;

    /// <summary>d.</summary>
    public long Size => size ?? _values.shape[1];

    private bool IsDiagonal => _values.dim() == 2;

    private bool IsBlocked => !IsDiagonal && _values.shape[1] != Size;

    /// <summary>The blocks on the diagonal of S <c>[1, d, d]</c>, as few and as equal as a largest size allows, the last filled up with ones: <c>[n, b, b]</c>, in the caller's scope.</summary>
    public static Tensor BlocksOf(Tensor S, long largest)
    {
        using DisposeScope scope = NewDisposeScope();
        long d = S.shape[1], n = (d + largest - 1) / largest, b = (d + n - 1) / n;
        Tensor blocks = eye(b, b, S.dtype, S.device).unsqueeze(0).repeat(n, 1, 1);
        for (long i = 0; i < n; i++)
        {
            long first = i * b, count = Math.Min(b, d - first);
            blocks.select(0, i).narrow(0, 0, count).narrow(1, 0, count).copy_(S.select(0, 0).narrow(0, first, count).narrow(1, first, count));
        }

        return blocks.MoveToOuterDisposeScope();
    }

    /// <summary><c>S X</c> for each group, X <c>[K, d, m]</c>.</summary>
    public Tensor Multiply(Tensor X)
    {
        if (!IsBlocked)
        {
            return IsDiagonal ? _values.unsqueeze(2).mul(X) : _values.bmm(X);
        }

        (long n, long b, long m) = (_values.shape[0], _values.shape[1], X.shape[2]);
        Tensor Products(Tensor blocks, Tensor rows) => blocks.bmm(rows.reshape(blocks.shape[0], -1, m)).reshape(1, -1, m);
        if (n * b == Size)
        {
            return Products(_values, X);
        }

        // The last block without what it was filled up with: X stays as it lies.
        long before = (n - 1) * b, rest = Size - before;
        return cat([Products(_values.narrow(0, 0, n - 1), X.narrow(1, 0, before)), Products(_values.narrow(0, n - 1, 1).narrow(1, 0, rest).narrow(2, 0, rest), X.narrow(1, before, rest))], 1);
    }

    /// <summary><c>tr S</c>, <c>[K]</c>.</summary>
    public Tensor Traces() => (IsDiagonal ? _values : _values.diagonal(0, 1, 2)).sum(dim: 1);

    /// <summary><c>|S|_F^2</c>, <c>[K]</c> in float64: the squares of small or large float32 are none.</summary>
    public Tensor SquaredNorms() => _values.to(ScalarType.Float64).reshape(_values.shape[0], -1).square().sum(dim: 1);

    /// <summary><c>(S + shift I)^{-1}</c> for a shift a group, <c>[K]</c>.</summary>
    public KroneckerFactor Inverse(Tensor shift, string owner) => new(IsDiagonal
        ? _values.add(shift.unsqueeze(1)).reciprocal()
        : Factorisation.Inverse(_values, shift, owner));

    /// <summary>Eigenvectors (null: the unit vectors) and eigenvalues <c>[K, d]</c>.</summary>
    public (Tensor? Vectors, Tensor Values) Eigen(string owner) => IsDiagonal ? (null, _values.relu()) : Factorisation.Eigen(_values, owner);

    /// <summary>Eigenvalues alone, <c>[K, d]</c>; found once, and this object's.</summary>
    public Tensor Eigenvalues(string owner) => _eigenvalues ??= Eigen(owner).Values.DetachFromDisposeScope();

    /// <inheritdoc/>
    public void Dispose()
    {
        _values.Dispose();
        _eigenvalues?.Dispose();
    }
}
