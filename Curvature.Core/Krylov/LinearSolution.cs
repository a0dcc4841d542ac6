using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>An approximate solution of <c>A x = b</c> and how good it is. Dispose it to release x.</summary>
public sealed class LinearSolution : IDisposable
{
    /// <param name="x">The solution; taken over.</param>
    /// <param name="iterations">Steps made.</param>
    /// <param name="products">Products spent.</param>
    /// <param name="residual"><c>|b - A x| / |b|</c>.</param>
    /// <param name="normalResidual">See <see cref="NormalResidual"/>.</param>
    /// <param name="converged">Whether the tolerance was reached.</param>
    /// <param name="remark">Why not, and what to do.</param>
    public LinearSolution(Tensor x, int iterations, int products, double residual, double? normalResidual, bool converged, string? remark) =>
        (X, Iterations, Products, Residual, NormalResidual, Converged, Remark) =
            (x.DetachFromDisposeScope(), iterations, products, residual, normalResidual, converged, remark);

    /// <summary>The solution, <c>[Columns]</c>.</summary>
    public Tensor X { get; }

    /// <summary>Steps made.</summary>
    public int Iterations { get; }

    /// <summary>Products spent, with A and with its transpose; those of the preconditioner are not counted.</summary>
    public int Products { get; }

    /// <summary><c>|b - A x| / |b|</c>, measured with a product of its own at the end; 0 for <c>b = 0</c>.</summary>
    public double Residual { get; }

    /// <summary>
    /// For least squares, <c>|A^T r - damping^2 x| / (|A| |r|)</c> with <c>r = b - A x</c>: 0 at the minimum, whatever the residual there. It too is
    /// measured at the end; null for solvers of square systems.
    /// </summary>
    public double? NormalResidual { get; }

    /// <summary>Whether the measured residual is within the tolerance.</summary>
    public bool Converged { get; }

    /// <summary>What kept the solver from converging, with the numbers and the remedy; null where it converged.</summary>
    public string? Remark { get; }

    /// <inheritdoc/>
    public void Dispose() => X.Dispose();
}
