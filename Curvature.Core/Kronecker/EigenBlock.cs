using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// A block with the eigenvectors of a Kronecker product and eigenvalues D of its own: <c>X -> U_L [(U_L^T X U_R) * D] U_R^T</c> for each group. What exact damping and EKFAC give.
/// </summary>
/// <param name="name">The layer.</param>
/// <param name="layout">Its matrices.</param>
/// <param name="left">U_L <c>[K, rows, rows]</c>, null for the unit vectors; a handle is kept.</param>
/// <param name="right">U_R <c>[K, columns, columns]</c>, null for the unit vectors; a handle is kept.</param>
/// <param name="eigenvalues">D <c>[K, rows, columns]</c>; a handle is kept.</param>
internal sealed class EigenBlock(string name, MatrixLayout layout, Tensor? left, Tensor? right, Tensor eigenvalues) : LayerBlock(name, layout.Count, eigenvalues)
{
    private readonly Tensor? _left = left?.alias().DetachFromDisposeScope(), _right = right?.alias().DetachFromDisposeScope();
    private readonly Tensor _eigenvalues = eigenvalues.alias().DetachFromDisposeScope();

    /// <summary>U_L.</summary>
    public Tensor? Left => _left;

    /// <summary>U_R.</summary>
    public Tensor? Right => _right;

    /// <summary>The layer's matrices.</summary>
    public MatrixLayout Layout => layout;

    public override IReadOnlyList<(string Key, Tensor Value)> Parts =>
        [.. new[] { ("left", _left), ("right", _right), ("eigenvalues", _eigenvalues) }.Where(part => part.Item2 is not null).Select(part => (part.Item1, part.Item2!))];

    /// <summary>The eigenvalues, <c>[K, rows, columns]</c>.</summary>
    public Tensor Eigenvalues => _eigenvalues;

    public override double? ExactTrace => Total(_eigenvalues);

    public override double SquaredNorm => TotalOfSquares(_eigenvalues);

    public override double LogDeterminant(double lambda) => LogSum(_eigenvalues, lambda);

    /// <summary>The same eigenvectors with other eigenvalues.</summary>
    public EigenBlock With(Tensor other) => new(Name, layout, _left, _right, other);

    public override LayerBlock Inverse(double lambda, DampingRule rule)
    {
        using DisposeScope scope = NewDisposeScope();
        return With(_eigenvalues.add(lambda).reciprocal());
    }

    /// <summary>The parts of a vector in the basis of the eigenvectors, <c>[K, rows, columns, 1]</c>.</summary>
    public Tensor ToBasis(IReadOnlyList<Tensor> parts) => layout.Sandwich(Into(_left), Into(_right), layout.Pack(parts));

    /// <summary>The inverse of that.</summary>
    public IReadOnlyList<Tensor> FromBasis(Tensor X) => layout.Parts(layout.Sandwich(OutOf(_left), OutOf(_right), X));

    protected override Tensor Multiply(Tensor V) =>
        layout.Unpack(layout.Sandwich(OutOf(_left), OutOf(_right), layout.Sandwich(Into(_left), Into(_right), layout.Pack(V)).mul(_eigenvalues.unsqueeze(3))));

    protected override void Dispose(bool disposing)
    {
        _left?.Dispose();
        _right?.Dispose();
        _eigenvalues.Dispose();
        base.Dispose(disposing);
    }

    private static Func<Tensor, Tensor> Into(Tensor? U) => U is null ? X => X : X => U.transpose(1, 2).bmm(X);

    private static Func<Tensor, Tensor> OutOf(Tensor? U) => U is null ? X => X : U.bmm;
}
