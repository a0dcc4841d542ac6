using Curvature.Data;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// The inverse B of a moving average of outer products, <c>L_t = gamma L_{t-1} + (1 - gamma) v_t v_t^T</c>, carried from vector to vector at the cost of <c>d^2</c>. It starts as
/// <c>L_0 = (|v_1|^2 / d) I</c> with the first vector that is not zero, so that B scales with the vectors and no update is large beside the past (the package's and the printed recurrence start as I).
/// <para>
/// B is kept as <c>scale C</c>, and the decay is the scale's affair: with <c>u = C v</c> and <c>c = (1 - gamma) / gamma</c>,
/// <c>C' = C - k u u^T</c>, <c>k = 1 / (1 / (c scale) + v^T u)</c>, <c>scale' = scale / gamma</c>. The matrix is read once and changed once, and no entry leaves the range of its dtype, however far
/// the scale goes. Two bounds make it safe. From above: <c>bound</c>, with <c>C &lt;= bound I</c>, is the smaller of the trace and of what it was before. From below: since <c>v^T C v &gt;= |C v|^2 /
/// bound</c>, the denominator is never taken to be less, whatever rounding has left of the product.
/// </para>
/// <para>
/// <b>Stabiliser.</b> Directions without news grow as <c>gamma^-t</c> in B. With m the mean eigenvalue of the moving average (a recurrence of its own, <c>m' = gamma m + (1 - gamma) |v|^2 / d</c>) and
/// <c>top = 1 / (delta m)</c>: where the bound on B exceeds top, <c>B &lt;- z B + (1 - z) centre I</c>, <c>centre = max(top / 10, 1 / (d m))</c>, <c>z = (top - centre) / (bound - centre)</c>. Then
/// <c>1 / (d m) &lt;= B &lt;= top</c> after every update. <i>Above:</i> an eigenvalue at the bound goes to top, smaller ones to less. <i>Below, by induction:</i> if <c>B &gt;= 1 / (d m)</c> then
/// <c>L &lt;= d m</c>, hence <c>gamma L + (1 - gamma) v v^T &lt;= d m'</c>, and an average of two numbers that are at least <c>1 / (d m')</c> is too. So <c>cond(B) &lt;= d / delta</c>, at any scale
/// of the vectors. An affine map is all that <c>d^2</c> allows (Astrom and Wittenmark 1995, Adaptive Control, section 11.5, bound recursive least squares in the same way); where it acts at every
/// step, directions that lose their excitation take some <c>10 / (1 - gamma)</c> updates to come back.
/// </para>
/// </summary>
internal sealed class MomentumInverse : IDisposable
{
    // The package's own decay, whatever it is told.
    private const double PackageDecay = 0.95;

    // Share of top that the stabiliser draws to.
    private const double Centre = 0.1;

    // C is multiplied by a power of two, without rounding, when its bound leaves [1, Range].
    private const double Range = 1024;

    // delta m is not taken to be less: the inverses of vanished vectors stay numbers, and so does the product of two.
    private const double Least = 1e-140;

    private readonly string _name;
    private readonly MkorOptions _options;
    private readonly ScalarType _dtype;
    private Tensor _c;

    /// <param name="name">Layer and side, for messages.</param>
    /// <param name="size">d.</param>
    /// <param name="options">Mode, decay, stabiliser, storage.</param>
    /// <param name="dtype">Of vectors and products.</param>
    /// <param name="device">Where they lie.</param>
    public MomentumInverse(string name, long size, MkorOptions options, ScalarType dtype, Device device)
    {
        (_name, _options, _dtype, Size) = (name, options, dtype, size);
        _c = eye(size, size, options.HalfPrecision ? ScalarType.Float16 : dtype, device).DetachFromDisposeScope();
    }

    /// <summary>d.</summary>
    public long Size { get; }

    /// <summary>Vectors taken in.</summary>
    public long Updates { get; private set; }

    /// <summary>B is this times the matrix that is kept.</summary>
    public double Scale { get; private set; } = 1;

    /// <summary>Mean eigenvalue of the moving average, <c>tr L / d</c>; 0 before the first vector that is not zero.</summary>
    public double Mean { get; private set; }

    /// <summary><c>C &lt;= Bound I</c>.</summary>
    public double Bound { get; private set; } = 1;

    /// <summary>C as it is kept.</summary>
    public Tensor Kept => _c;

    /// <summary>C in the dtype of products, <c>[d, d]</c>: of the caller's scope where it had to be converted, else this object's.</summary>
    public Tensor Matrix() => _c.dtype == _dtype ? _c : _c.to(_dtype);

    /// <summary>Takes in a vector <c>[d]</c> of finite numbers.</summary>
    /// <exception cref="NonFiniteException">The recurrence has left the range of its dtype, as the printed one does.</exception>
    public void Update(Tensor v)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (Tensor direction, double square) = Normalised(v);
        Tensor c = Matrix();
        switch (_options.Mode)
        {
            case MkorMode.Exact:
                Exact(c, direction, square);
                break;
            case MkorMode.Package when Updates > 0:
                Package(c, direction, square);
                break;
            case MkorMode.Printed:
                Printed(c, direction, square);
                break;
        }

        Keep(c);
        Updates++;
    }

    /// <summary>Continues from a state of another object of the same size.</summary>
    public void Load(Tensor kept, double scale, double mean, double bound, long updates)
    {
        _c.copy_(kept);
        (Scale, Mean, Bound, Updates) = (scale, mean, bound, updates);
    }

    public void Dispose() => _c.Dispose();

    private void Exact(Tensor c, Tensor v, double square)
    {
        double gamma = _options.Decay;
        if (Mean == 0)
        {
            if (square == 0)
            {
                return; // nothing to start from
            }

            (Mean, Scale) = (square / Size, Size / square);
        }

        if (square > 0)
        {
            double weight = (1 - gamma) / gamma * square * Scale;
            Tensor u = c.mv(v);
            double[] dots = Precision.Dots((v, u), (u, u));
            double k = 1 / ((1 / weight) + Math.Max(dots[0], dots[1] / Bound));
            Subtract(c, u, k);
        }

        Scale /= gamma;
        Mean = (gamma * Mean) + ((1 - gamma) * square / Size);
        double trace = c.diagonal().sum(ScalarType.Float64).ToDouble();
        Bound = trace > 0 ? Math.Min(Bound, trace) : throw new CurvatureException(
            $"{_name}: rounding in {_dtype} has cost the inverse its positive definiteness, because a vector was very much longer than those before. Use a "
            + $"{nameof(MkorOptions.Stabiliser)} above 0, or float64, and start anew.");
        Stabilise(c);
    }

    private void Stabilise(Tensor c)
    {
        double delta = _options.Stabiliser, mean = Math.Max(Mean, Least / delta), top = 1 / (delta * mean), bound = Scale * Bound;
        if (delta == 0 || bound <= top)
        {
            return;
        }

        double centre = Math.Max(Centre * top, 1 / (Size * mean)), z = (top - centre) / (bound - centre);

        // z B + (1 - z) centre I = z scale (C + (1 - z) centre / (z scale) I)
        Scale *= z;
        double shift = (1 - z) * centre / Scale;
        c.diagonal().add_(shift);
        Bound += shift;
    }

    private static void Package(Tensor c, Tensor v, double square)
    {
        c.mul_(PackageDecay).diagonal().add_(1 - PackageDecay);
        Tensor u = c.mv(v);
        if (square > 0)
        {
            Subtract(c, u, 1 / ((1 / square) + Precision.Dots((v, u))[0]));
        }
    }

    private void Printed(Tensor c, Tensor v, double square)
    {
        double gamma = _options.Decay;
        Tensor u = c.mv(v);
        double k = (1 - gamma) * square / (gamma * gamma * (1 + (gamma * (1 - gamma) * square * Precision.Dots((v, u))[0])));
        c.mul_(gamma).addcmul_(u.unsqueeze(1), u.unsqueeze(0), k);
        if (!Finite.Everywhere(c))
        {
            throw new NonFiniteException(
                $"{_name}: the recurrence as printed has left the range of {c.dtype} after {Updates + 1} updates. It is no inverse of the moving average; take {nameof(MkorMode)}.{MkorMode.Exact}.");
        }
    }

    /// <summary><c>C - k u u^T</c>, symmetric to the last bit, and without <c>u u^T</c> overflowing where k makes it small.</summary>
    private static void Subtract(Tensor c, Tensor u, double k)
    {
        Tensor w = u.mul(Math.Sqrt(k));
        c.addcmul_(w.unsqueeze(1), w.unsqueeze(0), -1);
    }

    /// <summary>v as a direction and its squared length, by way of its largest entry: the square of a small or large float32 is none.</summary>
    private (Tensor Direction, double Square) Normalised(Tensor v)
    {
        double largest = v.abs().max().ToDouble();
        if (largest == 0)
        {
            return (v, 0);
        }

        Tensor scaled = v.to(ScalarType.Float64).div(largest);
        double norm = Precision.Norm(scaled), square = largest * norm * (largest * norm);
        return double.IsFinite(square)
            ? (scaled.div(norm).to(_dtype), square)
            : throw new NonFiniteException(FormattableString.Invariant($"{_name}: the square of a vector with an entry of size {largest:g3} is not a number of double precision."));
    }

    /// <summary>Keeps C, within its range and, in half precision, lifted by the rounding's bound: what is positive definite stays so.</summary>
    private void Keep(Tensor c)
    {
        if (_options.Mode == MkorMode.Exact && Bound is < 1 or > Range)
        {
            double power = Math.ScaleB(1, -Math.ILogB(Bound));
            c.mul_(power);
            (Bound, Scale) = (Bound * power, Scale / power);
        }

        if (c.dtype == _c.dtype)
        {
            return; // changed where it lies
        }

        if (_options.Mode != MkorMode.Printed)
        {
            // |E|_2 <= |E|_F <= eps / 2 |C|_F, and half the smallest number for entries below the normal ones
            double lift = (0.5 * Precision.Epsilon(_c.dtype) * Precision.Norm(c)) + (Size * Math.ScaleB(1, -25));
            c.diagonal().add_(lift);
            Bound += 2 * lift;
        }

        _c.copy_(c);
    }
}
