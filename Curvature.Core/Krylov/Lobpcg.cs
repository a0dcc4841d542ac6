using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>
/// Eigenpairs at one end of the spectrum by the locally optimal block preconditioned conjugate gradient method (Knyazev 2001, Toward the Optimal
/// Preconditioned Eigensolver): Rayleigh-Ritz on the span of the present vectors X, their preconditioned residuals W and the last step's directions
/// P. The basis [X, W, P] is kept orthonormal, the directions being chosen by orthogonal coefficients (Hetmaniuk and Lehoucq 2006, Basis Selection in
/// LOBPCG, section 4): without that the method breaks down close to convergence.
/// <para>
/// The block finds eigenvalues with their multiplicity. A column that has converged stays in X and gets no further residual (soft locking), so that a
/// step costs one product for each other column. About 10 vectors of memory a column, whatever the number of steps.
/// <see cref="LanczosEigensolver"/> mostly needs fewer products; this one profits from a preconditioner, and from products that are cheaper by the block.
/// </para>
/// <para>
/// The columns beyond <see cref="Count"/> speed convergence up and vouch for completeness: the set is complete once the best of them
/// cannot, within its residual, belong among the wanted ones. Residuals are measured at the end, with one product each.
/// </para>
/// </summary>
public sealed record Lobpcg : IEigensolver
{
    private readonly int? _maxProducts;

    /// <value>How many eigenvalues. Default 1.</value>
    public int Count { get; init; } = 1;

    /// <value>Largest (default) or smallest, in the algebraic order.</value>
    public Spectrum Which { get; init; } = Spectrum.Largest;

    /// <value>
    /// A pair has converged when its residual is at most this times the largest |Ritz value| seen. Default 1e-5; the iteration goes down to 64 eps of the dtype.
    /// </value>
    public double Tolerance { get; init; } = 1e-5;

    /// <value>Products to spend, at most; pairs that did not converge are returned and say so. Default: 200 for each of <see cref="Count"/>, at least 1000.</value>
    public int MaxProducts
    {
        get => _maxProducts ?? EigensolverOptions.UsualProducts(Count);
        init => _maxProducts = value;
    }

    /// <value>Columns of X, at least <see cref="Count"/>. Null (default): half as many again, and 2 more at least.</value>
    public int? BlockSize { get; init; }

    /// <value>
    /// A symmetric positive definite approximation of the inverse of A (for the smallest eigenvalues), or of what is left of A near the wanted end; its
    /// products are not counted. Null (default): none. Stays the caller's.
    /// </value>
    public LinearOperator? Preconditioner { get; init; }

    /// <value>Seed of the start vectors.</value>
    public int Seed { get; init; }

    /// <inheritdoc/>
    public Eigenpairs Solve(LinearOperator a, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        Check(a);
        int wanted = (int)Math.Min(Count, a.Columns), size = (int)Math.Min(BlockSize ?? (Count + Math.Max(2, (Count + 1) / 2)), a.Columns);
        DeviceMemory.RequireVectors(10L * size, a.Columns, a.DType, a.Device, "Ask for fewer eigenvalues or a smaller BlockSize.");
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        double limit = RayleighRitz.Reachable(Tolerance, a.DType), scale = 0;
        int products = 0, atConvergence = int.MaxValue;
        bool complete;
        Tensor Apply(Tensor V)
        {
            cancellation.ThrowIfCancellationRequested();
            Tensor AV = a.Apply(V);
            products += (int)V.shape[1];
            progress?.Report(new ProductProgress("eigenvalues", products, MaxProducts));
            return AV;
        }

        using LobpcgBasis basis = new(Probes.Draw(ProbeKind.Gaussian, a.Columns, 0, size, Seed, a.DType, a.Device), Apply, descending: Which == Spectrum.Largest);
        while (true)
        {
            using DisposeScope step = NewDisposeScope();
            (Tensor R, double[] residuals) = basis.Residuals();
            scale = Math.Max(scale, basis.LargestMagnitude);
            bool converged = residuals.Take(wanted).All(r => r <= limit * scale);
            complete = converged && IsComplete(basis.Values, residuals, wanted, a.Columns, limit * scale);
            atConvergence = converged ? Math.Min(atConvergence, products) : int.MaxValue;
            long[] active = [.. Enumerable.Range(0, size).Where(i => residuals[i] > limit * scale).Select(i => (long)i)];
            bool givesUp = converged && products >= 2L * atConvergence; // a doubt that costs as much as the answer
            if (complete || givesUp || active.Length == 0 || products + active.Length + wanted > MaxProducts)
            {
                break;
            }

            Tensor W = R.index_select(1, tensor(active, device: a.Device));
            if (!basis.Step(Preconditioner?.Apply(W) ?? W, active, Apply))
            {
                break; // the residuals lie in the space already: it is invariant up to rounding
            }
        }

        return RayleighRitz.Measure(a, basis.X.narrow(1, 0, wanted), scale, Tolerance, products, complete);
    }

    /// <summary>
    /// Whether the best column beyond the wanted ones, moved outwards by its residual, would still come after them; without such a column
    /// nothing is known, unless the space is the whole.
    /// </summary>
    private static bool IsComplete(double[] values, double[] residuals, int wanted, long columns, double slack) =>
        values.Length == columns
        || (values.Length > wanted && residuals[wanted] <= Math.Abs(values[wanted - 1] - values[wanted]) + slack);

    private void Check(LinearOperator a)
    {
        if (!a.IsSymmetric)
        {
            throw new CurvatureException("LOBPCG needs a symmetric operator; this one is not symmetric by construction.");
        }

        if (Which is not (Spectrum.Largest or Spectrum.Smallest))
        {
            throw new CurvatureException($"LOBPCG works at one end of the spectrum: Largest or Smallest; got {Which}. {nameof(LanczosEigensolver)} finds both.");
        }

        if (Count < 1 || MaxProducts < 1 || !(Tolerance > 0) || BlockSize < Count)
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"Expected Count >= 1, MaxProducts >= 1, Tolerance > 0 and BlockSize >= Count; got {Count}, {MaxProducts}, {Tolerance}, {BlockSize}."));
        }

        if (Preconditioner is { } p && (p.Rows != a.Columns || p.Columns != a.Columns || p.DType != a.DType))
        {
            throw new CurvatureException($"The preconditioner must be {a.Columns} x {a.Columns} of {a.DType}; got {p.Rows} x {p.Columns} of {p.DType}.");
        }
    }
}
