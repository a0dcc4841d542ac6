using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// One side of a Kronecker product: symmetric positive semi-definite matrices, one a group, <c>[K, d, d]</c>; or diagonal ones by their diagonals, <c>[K, d]</c> (an embedding's tokens).
/// </summary>
/// <param name="values">Becomes this object's.</param>
internal sealed class KroneckerFactor(Tensor values) : IDisposable
{
    private readonly Tensor _values = values.DetachFromDisposeScope();
    private Tensor? _eigenvalues;

    /// <summary>The entries.</summary>
    public Tensor Values => _values;

    /// <summary>d.</summary>
    public long Size => _values.shape[1];

    private bool IsDiagonal => _values.dim() == 2;

    /// <summary><c>S X</c> for each group, X <c>[K, d, m]</c>.</summary>
    public Tensor Multiply(Tensor X) => IsDiagonal ? _values.unsqueeze(2).mul(X) : _values.bmm(X);

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
