using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary><c>A + c I</c>: damping, or the curvature of an added <c>(c/2) |theta|^2</c>.</summary>
public sealed class ShiftedOperator : LinearOperator
{
    private readonly LinearOperator _a;
    private readonly double _c;

    /// <param name="a">Square; stays the caller's.</param>
    /// <param name="c">The shift.</param>
    /// <exception cref="CurvatureException">A is not square.</exception>
    public ShiftedOperator(LinearOperator a, double c) : base(a.Rows, a.Columns, a.IsSymmetric, a.DType, a.Device)
    {
        if (a.Rows != a.Columns)
        {
            throw new CurvatureException($"Only a square operator can be shifted; this one is {a.Rows} x {a.Columns}.");
        }

        (_a, _c) = (a, c);
    }

    /// <inheritdoc/>
    public override double? ExactTrace => _a.ExactTrace + (_c * Rows);

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => _a.Apply(V).add_(V, _c);

    /// <inheritdoc/>
    protected override Tensor MultiplyTranspose(Tensor U) => _a.ApplyTranspose(U).add_(U, _c);

    /// <inheritdoc/>
    private protected override Tensor Forms(Tensor V, ParameterSpace? blocks) => FormsOf(_a, V, blocks).add_(BlockForms.Sums(V.square(), blocks), _c);
}
