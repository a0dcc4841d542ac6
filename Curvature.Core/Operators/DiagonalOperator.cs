using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary><c>diag(d)</c>.</summary>
public sealed class DiagonalOperator : LinearOperator
{
    private readonly Tensor _d;

    /// <param name="d">The diagonal, <c>[n]</c>; cloned.</param>
    public DiagonalOperator(Tensor d) : base(d.numel(), d.numel(), isSymmetric: true, d.dtype, d.device) =>
        _d = d.detach().clone().reshape(-1, 1).DetachFromDisposeScope();

    /// <inheritdoc/>
    public override double? ExactTrace => _d.sum(ScalarType.Float64).ToDouble();

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => _d.mul(V);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _d.Dispose();
        base.Dispose(disposing);
    }
}
