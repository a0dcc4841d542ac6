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

    protected override Tensor Multiply(Tensor V)
    {
        Tensor inBasis = layout.Sandwich(Into(_left), Into(_right), layout.Pack(V));
        Tensor scaled = inBasis.mul(_eigenvalues.unsqueeze(3));
        return layout.Unpack(layout.Sandwich(OutOf(_left), OutOf(_right), scaled));
    }

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
