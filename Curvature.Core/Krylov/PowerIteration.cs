using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>
/// The eigenvalues of largest magnitude, one after the other, by the power method <c>v &lt;- A v / |A v|</c>, kept orthogonal to the eigenvectors found
/// before (deflation). It is what much of the field uses and is here to be compared with: it throws away all but the last vector, converges by a
/// factor <c>|lambda_2 / lambda_1|</c> a product, and not at all between +lambda and -lambda. <see cref="LanczosEigensolver"/> needs a fraction of the products.
/// <para>
/// It stops on the residual <c>|A v - theta v|</c> of the deflated operator, at half the tolerance (Rayleigh-Ritz at the end mixes equal
/// eigenvalues), not on a Rayleigh quotient that no longer moves, which happens long before. One product an iteration and one a pair at the
/// end, which measures the residuals; <see cref="Count"/> + 4 vectors.
/// </para>
/// </summary>
public sealed record PowerIteration : IEigensolver
{
    private readonly int? _maxProducts;

    /// <value>How many eigenvalues. Default 1.</value>
    public int Count { get; init; } = 1;

    /// <value>
    /// A pair has converged when its residual is at most this times the largest |eigenvalue|. Default 1e-5; the iteration goes down to 64 eps of the dtype.
    /// </value>
    public double Tolerance { get; init; } = 1e-5;

    /// <value>Products to spend, at most, on all of them: where they do not suffice there are fewer pairs than asked for. Default: 200 for each of <see cref="Count"/>, at least 1000.</value>
    public int MaxProducts
    {
        get => _maxProducts ?? EigensolverOptions.UsualProducts(Count);
        init => _maxProducts = value;
    }

    /// <value>Seed of the start vectors.</value>
    public int Seed { get; init; }

    /// <inheritdoc/>
    public Eigenpairs Solve(LinearOperator a, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        Check(a);
        int count = (int)Math.Min(Count, a.Columns), found = 0, products = 0;
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = empty([count, a.Columns], a.DType, a.Device);
        double scale = 0, limit = RayleighRitz.Reachable(Tolerance, a.DType);
        while (found < count && (found == 0 || products + found < MaxProducts))
        {
            using DisposeScope search = NewDisposeScope();
            Tensor locked = rows.narrow(0, 0, found), v = rows.select(0, found);
            Tensor w = Probes.Draw(ProbeKind.Gaussian, a.Columns, found, 1, Seed, a.DType, a.Device).squeeze(1);
            found++;
            double residual = double.PositiveInfinity;
            while (residual > limit * scale / 2 && products + found < MaxProducts)
            {
                cancellation.ThrowIfCancellationRequested();
                using DisposeScope step = NewDisposeScope();
                w = Deflated(w, locked);
                v.copy_(w.div(Precision.Norm(w)));
                w = a.Apply(v);
                products++;
                progress?.Report(new ProductProgress("eigenvalues", products, MaxProducts));
                double theta = Precision.Dots((v, w))[0];
                residual = Precision.Norm(Deflated(w.sub(v.mul(theta)), locked));
                scale = Math.Max(scale, Math.Abs(theta));
                w.MoveToOuterDisposeScope();
            }

            if (double.IsInfinity(residual))
            {
                w = Deflated(w, locked);
                v.copy_(w.div_(Precision.Norm(w))); // no product was left for it: a random direction, whose residual will say so
            }
        }

        return RayleighRitz.Measure(a, rows.narrow(0, 0, found).t(), scale, Tolerance, products, isComplete: found == a.Columns);
    }

    /// <summary>w without its components along the rows, a new tensor.</summary>
    private static Tensor Deflated(Tensor w, Tensor rows)
    {
        w = w.sub(rows.t().mv(rows.mv(w)));
        return w.sub_(rows.t().mv(rows.mv(w)));
    }

    private void Check(LinearOperator a)
    {
        if (!a.IsSymmetric)
        {
            throw new CurvatureException("Power iteration finds eigenpairs of a symmetric operator; this one is not symmetric by construction.");
        }

        if (Count < 1 || MaxProducts < 1 || !(Tolerance > 0))
        {
            throw new CurvatureException(FormattableString.Invariant($"Expected Count >= 1, MaxProducts >= 1 and Tolerance > 0; got {Count}, {MaxProducts}, {Tolerance}."));
        }
    }
}
