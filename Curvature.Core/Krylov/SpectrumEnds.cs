using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>
/// The smallest and the largest eigenvalue of a symmetric operator from one Krylov space, for when many matrices are looked at to a few digits: no restarts and no search for
/// copies, as <see cref="LanczosEigensolver"/> makes them. Ritz values lie within the spectrum: what has not converged is too small in magnitude.
/// </summary>
/// <param name="Smallest">The smallest, with its residual bound.</param>
/// <param name="Largest">The largest.</param>
/// <param name="Vector">Unit vector of the largest, <c>[P]</c>.</param>
/// <param name="Products">Products spent.</param>
internal sealed record SpectrumEnds(Eigenvalue Smallest, Eigenvalue Largest, Tensor Vector, int Products) : IDisposable
{
    // Before so many steps a small residual may belong to an eigenvalue that is not at the end.
    private const int Fewest = 8, Between = 4;

    private const double Share = 0.2;

    /// <summary>Finds them.</summary>
    /// <param name="a">A symmetric operator.</param>
    /// <param name="tolerance">Residual that counts as converged, relative to the larger magnitude; the other end's is also below a fifth of its own.</param>
    /// <param name="most">Products to spend, at most, which is also the memory in vectors.</param>
    /// <param name="seed">Of the start vector.</param>
    /// <param name="cancellation">Ends between two products.</param>
    public static SpectrumEnds Of(LinearOperator a, double tolerance, int most, int seed, CancellationToken cancellation)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        int size = (int)Math.Min(most, a.Columns);
        DeviceMemory.RequireVectors(size + 2, a.Columns, a.DType, a.Device, "Ask for fewer products.");
        using KrylovBasis basis = new(a, size, zeros([0, a.Columns], a.DType, a.Device), Probes.Draw(ProbeKind.Gaussian, a.Columns, 0, 1, seed, a.DType, a.Device).squeeze(1));
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            basis.Expand();
            bool last = basis.Length == size || basis.IsInvariant;
            if (!last && (basis.Length < Fewest || basis.Length % Between != 0))
            {
                continue;
            }

            (double[] values, double[] residuals, var s) = basis.Ritz();
            double scale = Math.Max(Math.Abs(values[0]), Math.Abs(values[^1])), other = Math.Min(Math.Abs(values[0]), Math.Abs(values[^1]));
            double limit = RayleighRitz.Reachable(tolerance, a.DType) * scale;

            // The end of smaller magnitude to a share of its own: beside the other it may be next to nothing and still wanted.
            double smaller = Math.Max(RayleighRitz.Reachable(0, a.DType) * scale, Math.Min(limit, Share * other));
            (double below, double above) = Math.Abs(values[0]) < Math.Abs(values[^1]) ? (smaller, limit) : (limit, smaller);
            if (last || (residuals[0] <= below && residuals[^1] <= above))
            {
                Tensor vector = basis.Vectors(s, [values.Length - 1]).squeeze(0);
                return new SpectrumEnds(
                    new Eigenvalue(values[0], residuals[0], residuals[0] <= below),
                    new Eigenvalue(values[^1], residuals[^1], residuals[^1] <= above),
                    vector.DetachFromDisposeScope(),
                    basis.Length);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Vector.Dispose();
}
