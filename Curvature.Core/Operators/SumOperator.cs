using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary><c>A + B</c>.</summary>
public sealed class SumOperator : LinearOperator
{
    private readonly LinearOperator _a;
    private readonly LinearOperator _b;

    /// <summary>The operands must agree in shape, dtype and device, and stay the caller's.</summary>
    public SumOperator(LinearOperator a, LinearOperator b) : base(a.Rows, a.Columns, a.IsSymmetric && b.IsSymmetric, a.DType, a.Device)
    {
        if (a.Rows != b.Rows || a.Columns != b.Columns || a.DType != b.DType)
        {
            throw new CurvatureException($"Cannot add a {b.Rows} x {b.Columns} operator of {b.DType} to one of {a.Rows} x {a.Columns} of {a.DType}.");
        }

        (_a, _b) = (a, b);
    }

    /// <inheritdoc/>
    public override double? ExactTrace => _a.ExactTrace + _b.ExactTrace;

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => _a.Apply(V).add(_b.Apply(V));

    /// <inheritdoc/>
    protected override Tensor MultiplyTranspose(Tensor U) => _a.ApplyTranspose(U).add(_b.ApplyTranspose(U));

    /// <inheritdoc/>
    private protected override Tensor Forms(Tensor V, ParameterSpace? blocks) => FormsOf(_a, V, blocks).add_(FormsOf(_b, V, blocks));
}
