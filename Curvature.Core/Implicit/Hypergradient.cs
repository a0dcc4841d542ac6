using static TorchSharp.torch;

namespace Curvature.Implicit;

/// <summary>A hypergradient and how good it is; see <see cref="BilevelProblem"/>. Dispose it to release its tensors.</summary>
public sealed class Hypergradient : IDisposable
{
    /// <param name="value">See <see cref="Value"/>; taken over, as the next two.</param>
    /// <param name="direct">See <see cref="Direct"/>.</param>
    /// <param name="adjoint">See <see cref="Adjoint"/>.</param>
    internal Hypergradient(Tensor value, Tensor direct, Tensor adjoint) =>
        (Value, Direct, Adjoint) = (value.DetachFromDisposeScope(), direct.DetachFromDisposeScope(), adjoint.DetachFromDisposeScope());

    /// <summary><c>dL_v/dlambda - (d2 L_t / dw dlambda)^T x</c>, <c>[h]</c> in the order of the hyperparameters.</summary>
    public Tensor Value { get; }

    /// <summary><c>dL_v/dlambda</c> at fixed w, <c>[h]</c>: zero where the validation loss does not read the hyperparameters.</summary>
    public Tensor Direct { get; }

    /// <summary><c>x = (H + ridge I)^{-1} dL_v/dw</c>, <c>[P]</c>. A good <see cref="Krylov.IterativeSolver.Start"/> for the same problem at hyperparameters nearby.</summary>
    public Tensor Adjoint { get; }

    /// <summary><c>|dL_v/dw - (H + ridge I) x| / |dL_v/dw|</c>, measured with a product of its own; 0 where the validation gradient is zero.</summary>
    public required double Residual { get; init; }

    /// <summary>Whether the residual is within the tolerance. An approximate inverse (KFAC, M-FAC) seldom is, and can be good enough to descend by.</summary>
    public required bool Converged { get; init; }

    /// <summary>What kept the solve from converging, with the numbers and the remedy; null where it converged.</summary>
    public required string? Remark { get; init; }

    /// <summary>Products with H that the solve and its residual took. The mixed derivative takes one pass more.</summary>
    public required int Products { get; init; }

    /// <summary>
    /// <c>|dL_t/dw|</c> where it was taken. The formula is that of a minimum, where this is 0: at a distance d from it the hypergradient is off in proportion to d.
    /// </summary>
    public required double TrainingGradientNorm { get; init; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Value.Dispose();
        Direct.Dispose();
        Adjoint.Dispose();
    }
}
