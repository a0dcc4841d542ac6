using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>A small block with all its entries.</summary>
/// <param name="name">The layer.</param>
/// <param name="matrix"><c>[n, n]</c>; becomes this object's.</param>
internal sealed class FullBlock(string name, Tensor matrix) : LayerBlock(name, matrix.shape[0], matrix)
{
    private readonly Tensor _matrix = matrix.DetachFromDisposeScope();
    private Tensor? _eigenvalues;

    public override IReadOnlyList<(string Key, Tensor Value)> Parts => [("matrix", _matrix)];

    public override double? ExactTrace => _matrix.diagonal().sum(ScalarType.Float64).ToDouble();

    public override double SquaredNorm => TotalOfSquares(_matrix);

    public override double LogDeterminant(double lambda)
    {
        using DisposeScope scope = NewDisposeScope();
        return LogSum(_eigenvalues ??= Factorisation.Eigen(_matrix.unsqueeze(0), Name).Values.DetachFromDisposeScope(), lambda);
    }

    public override LayerBlock Inverse(double lambda, DampingRule rule)
    {
        using DisposeScope scope = NewDisposeScope();
        return new FullBlock(Name, Factorisation.Inverse(_matrix.unsqueeze(0), full(1, lambda, DType, Device), Name).squeeze(0));
    }

    protected override Tensor Multiply(Tensor V) => _matrix.mm(V);

    protected override void Dispose(bool disposing)
    {
        _matrix.Dispose();
        _eigenvalues?.Dispose();
        base.Dispose(disposing);
    }
}
