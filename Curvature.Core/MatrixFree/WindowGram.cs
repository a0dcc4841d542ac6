using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>
/// <c>S = G G^T</c> of a ring of gradients and the Cholesky factor of <c>M = n lambda I + S</c> over those that are there, from the oldest to the newest. An insertion replaces
/// a row and a column of S, and lets the factor slide; it is made anew when it is next asked for after every m-th insertion, and after each that changes n.
/// </summary>
internal sealed class WindowGram : IDisposable
{
    private readonly int _capacity;
    private readonly double _damping;
    private readonly MfacDivisor _divisor;
    private readonly SlidingCholesky _factor; // empty until it is asked for

    public WindowGram(int capacity, double damping, MfacDivisor divisor)
    {
        (_capacity, _damping, _divisor) = (capacity, damping, divisor);
        _factor = new SlidingCholesky(capacity);
        S = zeros(capacity, capacity, ScalarType.Float64).DetachFromDisposeScope();
    }

    /// <summary>S by places of the ring, <c>[m, m]</c> in float64 on the CPU, live.</summary>
    public Tensor S { get; }

    /// <summary>Gradients ever inserted.</summary>
    public long Insertions { get; private set; }

    /// <summary>Gradients that are there.</summary>
    public int Count => (int)Math.Min(Insertions, _capacity);

    /// <summary>n.</summary>
    public long Divisor => _divisor == MfacDivisor.Capacity ? _capacity : Math.Max(1, Count);

    /// <summary>Where the next gradient goes: the place of the oldest.</summary>
    public int Next => (int)(Insertions % _capacity);

    /// <summary><c>tr M^{-1}</c>, with n lambda on the diagonal where there is no gradient yet.</summary>
    public double InverseTrace()
    {
        using DisposeScope scope = NewDisposeScope();
        return cholesky_inverse(WhitenedRows.Factor(S.unsqueeze(0), Divisor * _damping).squeeze(0)).trace().ToDouble();
    }

    /// <summary>Takes in the gradient at <see cref="Next"/>.</summary>
    /// <param name="s">Its products with all gradients, itself among them, <c>[m]</c>.</param>
    public void Insert(Tensor s)
    {
        int place = Next;
        S.select(0, place).copy_(s);
        S.select(1, place).copy_(s);
        Insertions++;

        bool fills = Insertions <= _capacity;
        if (_factor.Size == 0 || Next == 0 || (fills && _divisor == MfacDivisor.Count))
        {
            _factor.Clear();
            return;
        }

        if (!fills)
        {
            _factor.DropFirst();
        }

        double[] products = s.data<double>().ToArray(), column = [.. Enumerable.Range(0, _factor.Size).Select(p => products[Place(p)])];
        _factor.Append(column, products[place] + (Divisor * _damping));
    }

    /// <summary><c>M^{-1} b</c>, <c>[m]</c>, zero where there is no gradient yet.</summary>
    /// <exception cref="CurvatureException">M is not positive definite to working precision.</exception>
    /// <exception cref="NonFiniteException">The solution is NaN or infinite.</exception>
    public Tensor Solve(Tensor b)
    {
        if (_factor.Size == 0 && Count > 0)
        {
            Factorise();
        }

        double[] values = b.data<double>().ToArray(), ordered = [.. Enumerable.Range(0, Count).Select(p => values[Place(p)])], solution = new double[_capacity];
        _factor.Solve(ordered);
        for (int p = 0; p < ordered.Length; p++)
        {
            solution[Place(p)] = double.IsFinite(ordered[p]) ? ordered[p] : throw new NonFiniteException(
                "A product with F^-1 is not finite: the vector holds NaN or infinity, or the gradients are too large for their dtype.");
        }

        return tensor(solution);
    }

    /// <summary>The factor by rows, <c>[m, m]</c>; zero where it was not asked for.</summary>
    public Tensor FactorState() => _factor.Size == 0 ? zeros_like(S) : tensor(_factor.Entries.ToArray(), [_capacity, _capacity]);

    /// <summary>Takes over a state. A factor that is not that of its M, after a change of lambda for one, is left out: it is made anew when it is asked for.</summary>
    public void Load(Tensor gram, Tensor factor, long insertions)
    {
        S.copy_(gram);
        Insertions = insertions;
        _factor.Clear();
        if (Count > 0 && Fits(factor.narrow(0, 0, Count).narrow(1, 0, Count).triu()))
        {
            _factor.Set(factor.data<double>().ToArray(), Count);
        }
    }

    public void Dispose() => S.Dispose();

    /// <summary>Where the p-th oldest gradient lies.</summary>
    private int Place(int p) => (int)(Insertions < _capacity ? p : (Insertions + p) % _capacity);

    private void Factorise()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor upper = zeros_like(S);
        upper.narrow(0, 0, Count).narrow(1, 0, Count).copy_(WhitenedRows.Factor(Ordered().unsqueeze(0), Divisor * _damping).squeeze(0).t());
        _factor.Set(upper.data<double>().ToArray(), Count);
    }

    /// <summary>Whether <c>U^T U = M</c> up to what many slides may have left, with a positive diagonal.</summary>
    private bool Fits(Tensor U)
    {
        Tensor M = Ordered().add_(eye(Count, dtype: ScalarType.Float64), alpha: Divisor * _damping);
        return U.diagonal().min().ToDouble() > 0 && U.t().matmul(U).sub_(M).abs().max().ToDouble() <= 1e-6 * M.diagonal().min().ToDouble();
    }

    /// <summary>S from the oldest gradient to the newest.</summary>
    private Tensor Ordered()
    {
        Tensor order = tensor([.. Enumerable.Range(0, Count).Select(p => (long)Place(p))]);
        return S.index_select(0, order).index_select(1, order);
    }
}
