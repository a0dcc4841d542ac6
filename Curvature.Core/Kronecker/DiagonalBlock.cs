using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>A block of which only the diagonal is known.</summary>
/// <param name="name">The layer.</param>
/// <param name="diagonal"><c>[n]</c>; becomes this object's.</param>
internal sealed class DiagonalBlock(string name, Tensor diagonal) : LayerBlock(name, diagonal.shape[0], diagonal)
{
    private readonly Tensor _diagonal = diagonal.DetachFromDisposeScope();

    public override IReadOnlyList<(string Key, Tensor Value)> Parts => [("diagonal", _diagonal)];

    public override double? ExactTrace => Total(_diagonal);

    public override double SquaredNorm => TotalOfSquares(_diagonal);

    public override double LogDeterminant(double lambda) => LogSum(_diagonal, lambda);

    public override LayerBlock Inverse(double lambda, DampingRule rule)
    {
        using DisposeScope scope = NewDisposeScope();
        return new DiagonalBlock(Name, _diagonal.add(lambda).reciprocal());
    }

    protected override Tensor Multiply(Tensor V) => _diagonal.unsqueeze(1).mul(V);

    protected override void Dispose(bool disposing)
    {
        _diagonal.Dispose();
        base.Dispose(disposing);
    }
}
