using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary><c>U diag(s) U^T</c>: symmetric, of rank at most r.</summary>
public sealed class LowRankOperator : LinearOperator
{
    private readonly Tensor _u;
    private readonly Tensor _s;

    /// <param name="u"><c>[n, r]</c>, columns need not be orthonormal; cloned.</param>
    /// <param name="s"><c>[r]</c>; cloned.</param>
    /// <exception cref="CurvatureException">Shapes that do not fit.</exception>
    public LowRankOperator(Tensor u, Tensor s) : base(u.shape[0], u.shape[0], isSymmetric: true, u.dtype, u.device)
    {
        if (u.dim() != 2 || s.dim() != 1 || u.shape[1] != s.shape[0])
        {
            throw new CurvatureException($"Expected U [n, r] and s [r]; got [{string.Join(", ", u.shape)}] and [{string.Join(", ", s.shape)}].");
        }

        _u = u.detach().clone().DetachFromDisposeScope();
        _s = s.detach().clone().reshape(-1, 1).DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public override double? ExactTrace
    {
        get
        {
            // tr U diag(s) U^T = sum_j s_j |u_j|^2
            using DisposeScope scope = NewDisposeScope();
            return _u.square().sum(dim: 0).dot(_s.squeeze(1)).ToDouble();
        }
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => _u.mm(_s.mul(_u.t().mm(V)));

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _u.Dispose();
        _s.Dispose();
        base.Dispose(disposing);
    }
}
