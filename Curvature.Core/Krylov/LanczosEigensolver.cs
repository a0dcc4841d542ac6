using System.Numerics;
using Curvature.Operators;
using Curvature.Tensors;
using MathNet.Numerics.LinearAlgebra;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>
/// Extreme eigenpairs of a symmetric operator by thick-restart Lanczos (Wu and Simon 2000, Thick-Restart Lanczos Method for Large Symmetric
/// Eigenvalue Problems), orthogonalised twice against the whole basis.
/// <para>
/// A Krylov space holds one vector of each eigenspace, so a converged set is locked and the solver starts afresh, orthogonally to it, until a
/// fresh start finds no eigenvalue that belongs among the wanted ones: eigenvalues count with their multiplicity.
/// </para>
/// <para>
/// Residuals are measured with one product per pair at the end and hold a rounding allowance of 4 eps |lambda|_max. Cost: usually 2 to 4 products per
/// step of a basis of <see cref="BasisSize"/> vectors, which is also the memory.
/// </para>
/// </summary>
public sealed record LanczosEigensolver : IEigensolver
{
    // Ritz pairs are looked at every so many steps, and half as often each time that a basis of this many vectors has doubled: a look costs its cube.
    private const int Between = 5, Small = 50;

    private const long LargestWhole = 4096;

    private readonly int? _maxProducts;

    /// <value>How many eigenvalues (at each end, for <see cref="Spectrum.Both"/>). Default 1.</value>
    public int Count { get; init; } = 1;

    /// <value>Which ones. Default: largest magnitude.</value>
    public Spectrum Which { get; init; } = Spectrum.Magnitude;

    /// <value>
    /// A pair has converged when its residual is at most this times the largest |eigenvalue|. Default 1e-5. The iteration goes down to
    /// 64 eps of the dtype (8e-6 in float32), since products of deep networks carry up to that much rounding; pairs that then miss a smaller tolerance
    /// have not converged. A simple eigenvalue's error is far below its residual r: at most
    /// r^2 over the gap to the next.
    /// </value>
    public double Tolerance { get; init; } = 1e-5;

    /// <value>
    /// Products to spend, at most, from 2 on; pairs that did not converge are returned and say so. Two thirds at least go into the search: where what is left does not
    /// suffice to measure each wanted pair, the best ones are returned, fewer than asked for. Default: 200 for each of <see cref="Count"/>, at least 1000.
    /// </value>
    public int MaxProducts
    {
        get => _maxProducts ?? EigensolverOptions.UsualProducts(Count);
        init => _maxProducts = value;
    }

    /// <value>
    /// Krylov vectors kept at once, never fewer than the wanted ones and 2; null (default): 20 more than twice the wanted ones, at least 40, and all P where
    /// a quarter of the spectrum is wanted, so that about P products end the search.
    /// </value>
    public int? BasisSize { get; init; }

    /// <value>Seed of the start vectors.</value>
    public int Seed { get; init; }

    /// <summary>
    /// Krylov vectors where <see cref="BasisSize"/> is left open: twice those wanted and 20, at least 40; or as many as there are rows, where a quarter of the spectrum is wanted and the projections, dense matrices in float64
    /// with an eigenvalue problem of their own at each look, are of at most 4,096 rows.
    /// </summary>
    /// <param name="rows">The operator's.</param>
    /// <param name="wanted">Eigenvalues, at both ends together.</param>
    public static long UsualBasis(long rows, long wanted) => 4 * wanted >= rows && rows <= LargestWhole ? rows : Math.Max(40, (2 * wanted) + 20);

    /// <inheritdoc/>
    public Eigenpairs Solve(LinearOperator a, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        Check(a);
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        int wanted = (int)Math.Min(a.Columns, Which == Spectrum.Both ? 2L * Count : Count);
        Search search = new(a, wanted, MaxProducts, progress, cancellation);
        bool verified = false;
        for (int round = 0; round == 0 || (!verified && search.CanGoOn); round++)
        {
            verified = Round(search, round);
        }

        return Refine(search, verified || search.Values.Count >= a.Columns);
    }

    /// <summary>
    /// Searches one Krylov space orthogonal to the locked vectors and locks what it finds. True if the locked set is complete: this space had nothing to add to it, or was the whole one.
    /// </summary>
    private bool Round(Search search, int round)
    {
        using DisposeScope scope = NewDisposeScope();
        int missing = Math.Max(search.Wanted - search.Values.Count, 0);
        int sought = missing > 0 ? missing : Which == Spectrum.Both ? 2 : 1;
        long room = search.A.Columns - search.Values.Count;
        int size = (int)Math.Min(room, Math.Max(BasisSize ?? UsualBasis(search.A.Columns, search.Wanted), search.Wanted + 2L));
        bool isWhole = size == search.A.Columns; // a basis of all there is: nothing is locked, and nothing can be missed
        DeviceMemory.RequireVectors((4L * (size + 1) / 3) + search.Wanted, search.A.Columns, search.A.DType, search.A.Device, "Ask for fewer eigenvalues or a smaller BasisSize.");
        Tensor start = Probes.Draw(ProbeKind.Gaussian, search.A.Columns, round, 1, Seed, search.A.DType, search.A.Device).squeeze(1);
        using KrylovBasis basis = new(search.A, size, search.Locked, start);
        while (true)
        {
            basis.Expand();
            search.CountProduct();
            bool last = basis.IsInvariant || !search.CanGoOn;
            if (!last && basis.Length < size && (basis.Length < missing || !IsLook(basis.Length)))
            {
                continue;
            }

            (double[] values, double[] residuals, Matrix<double> s) = basis.Ritz();
            int[] best = Best(values, sought);
            double limit = RayleighRitz.Reachable(Tolerance, search.A.DType) * search.Scale(values);
            bool converged = basis.IsInvariant || (basis.Length >= best.Length && best.All(i => residuals[i] <= limit));
            if (isWhole && converged && !last && room - basis.Length <= Math.Min(basis.Length / 3, search.Left))
            {
                continue; // what is left of the space takes fewer products than to look for what was missed
            }

            if (missing == 0 && !best.Any(i => Belongs(search, values[i], converged ? -limit : Doubt(residuals[i], search.Scale(values), basis.Length))))
            {
                return true;
            }

            if (converged || last)
            {
                int[] chosen = missing > 0 ? best : [.. best.Where(i => Belongs(search, values[i], -limit) && (converged || residuals[i] <= limit))];
                search.Lock(basis.Vectors(s, chosen), chosen.Select(i => values[i]));
                return isWhole && basis.Length == room;
            }

            if (basis.Length == size)
            {
                // Keeping some vectors beyond the wanted ones speeds the next cycle up (Wu and Simon 2000, section 4).
                basis.Restart(values, s, Best(values, Math.Min(size - 2, sought + ((size - sought) / 3))));
            }
        }
    }

    /// <summary>Whether Ritz pairs are looked at here: every 5 steps up to 100, every 10 up to 200, every 20 up to 400 and so on.</summary>
    private static bool IsLook(int length) => length % (Between << BitOperations.Log2((uint)Math.Max(1, length / Small))) == 0;

    /// <summary>
    /// Whether a value would be among the wanted ones of the locked set if it moved outwards by <paramref name="shift"/>: by its doubt while it has not
    /// converged, inwards by the tolerance (a negative shift) when it has, so that copies that differ by rounding are not collected for ever.
    /// </summary>
    private bool Belongs(Search search, double value, double shift)
    {
        double[] moved = Which switch
        {
            Spectrum.Largest => [value + shift],
            Spectrum.Smallest => [value - shift],
            Spectrum.Magnitude => [value + (value < 0 ? -shift : shift)],
            _ => [value + shift, value - shift],
        };
        int needed = Which == Spectrum.Both && shift < 0 ? 2 : 1;
        return moved.Count(c => Best([.. search.Values, c], search.Wanted).Contains(search.Values.Count)) >= needed;
    }

    /// <summary>
    /// How far an unconverged Ritz value may still move. Its residual bounds the distance to some eigenvalue, not to the extreme one, so before a
    /// dozen steps, or with a residual above 1 % of the scale, nothing is ruled out.
    /// </summary>
    private static double Doubt(double residual, double scale, int length) =>
        length < 12 || residual > 0.01 * scale ? double.PositiveInfinity : 2 * residual;

    /// <summary>Rayleigh-Ritz on the wanted vectors with one product each, which also measures the residuals.</summary>
    private Eigenpairs Refine(Search search, bool verified)
    {
        int[] best = Best(search.Values, Math.Clamp(MaxProducts - search.Products, 1, search.Wanted));
        Tensor V = stack(best.Select(i => search.Locked.select(0, i))).t().contiguous();        // [P, k]
        return RayleighRitz.Measure(search.A, V, search.Scale(best.Select(i => search.Values[i])), Tolerance, search.Products, verified && best.Length == search.Wanted);
    }

    /// <summary>Positions of the best <paramref name="count"/> values, best first.</summary>
    private int[] Best(IReadOnlyList<double> values, int count)
    {
        int[] ascending = [.. Enumerable.Range(0, values.Count).OrderBy(i => values[i])];
        count = Math.Min(count, values.Count);
        return Which switch
        {
            Spectrum.Largest => [.. ascending.Reverse().Take(count)],
            Spectrum.Smallest => [.. ascending.Take(count)],
            Spectrum.Magnitude => [.. ascending.OrderByDescending(i => Math.Abs(values[i])).Take(count)],
            _ => [.. ascending.Reverse().Take((count + 1) / 2).Union(ascending.Take(count / 2))],
        };
    }

    private void Check(LinearOperator a)
    {
        if (!a.IsSymmetric)
        {
            throw new CurvatureException("Lanczos needs a symmetric operator; this one is not symmetric by construction.");
        }

        if (Count < 1 || MaxProducts < 2 || !(Tolerance > 0) || BasisSize < 3)
        {
            throw new CurvatureException(
                $"Expected Count >= 1, MaxProducts >= 2 (one to find, one to measure with), Tolerance > 0 and BasisSize >= 3; got {Count}, {MaxProducts}, {Tolerance}, {BasisSize}.");
        }
    }

    /// <summary>The locked pairs and what they cost so far.</summary>
    private sealed class Search(
        LinearOperator a, int wanted, int maxProducts, IProgress<ProductProgress>? progress, CancellationToken cancellation)
    {
        // What the residuals may take of the products: a search with nothing left to look for them finds nothing to measure.
        private readonly int _reserve = Math.Min(wanted, Math.Max(1, maxProducts / 3));

        private double _scale;

        public LinearOperator A => a;

        public int Wanted => wanted;

        public List<double> Values { get; } = [];

        /// <summary>Orthonormal rows <c>[l, P]</c>.</summary>
        public Tensor Locked { get; private set; } = zeros([0, a.Columns], a.DType, a.Device);

        public int Products { get; private set; }

        /// <summary>Whether products are left, beside those that measure the residuals, and directions to look in.</summary>
        public bool CanGoOn => Left > 0 && Values.Count < a.Columns;

        /// <summary>Products that are left, beside those that measure the residuals.</summary>
        public int Left => maxProducts - _reserve - Products;

        /// <summary>The largest |Ritz value| seen: a lower bound of the norm.</summary>
        public double Scale(IEnumerable<double> values) => _scale = Math.Max(_scale, values.Max(Math.Abs));

        public void CountProduct()
        {
            cancellation.ThrowIfCancellationRequested();
            Products++;
            progress?.Report(new ProductProgress("eigenvalues", Products, maxProducts));
        }

        public void Lock(Tensor rows, IEnumerable<double> values)
        {
            Values.AddRange(values);
            Locked = cat([Locked, rows]).MoveToOuterDisposeScope();
        }
    }
}
