using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>
/// <c>F^{-1}</c> of <c>F = lambda I + (1/n) sum_j g_j g_j^T</c>, <c>[d, d]</c>, over the last m gradients: the dynamic M-FAC matrix (Frantar, Kurtic, Alistarh 2021, section
/// 3.2). n is m or the number of gradients so far (<see cref="MfacDivisor"/>). It is a snapshot of the window: <see cref="Insert"/> changes it.
/// <para>
/// The window is a ring G <c>[m, d]</c> with its Gram matrix <c>S = G G^T</c> in float64. By Woodbury's identity, with one m x m Cholesky factor in float64 in
/// the place of the paper's two triangular recursions (the same matrix; the order of the ring plays no part),
/// <c>F^{-1} x = (x - G^T M^{-1} G x) / lambda</c>, <c>M = n lambda I + S</c>; for a gradient of the window pushed through, <c>F^{-1} g_j = n G^T M^{-1} e_j</c>.
/// An insertion writes a row and one row and column of S, <c>s = G g</c>, the very product that <c>F^{-1} g</c> asks for: <see cref="Step"/> is two passes over the
/// window in all. Entries of S are replaced and never updated; the factor, of the gradients from the oldest to the newest, loses its first row and gains a last
/// one, and is made anew once around the ring: nothing drifts.
/// </para>
/// <para>
/// Passes are in float64 arithmetic whatever the storage, so that the error of a product is a rounding unit of the vectors' dtype plus one of float64 times the condition
/// number (<see cref="Solve"/> returns it). Cost: an insertion and a product O(dm + m^2) each. Memory: m d entries and 16 m^2 bytes.
/// </para>
/// <para>
/// Several ranks hold it together, each the entries of its share of the parameters in all m gradients, <c>m d / r</c> of them: an insertion then sums m numbers over the ranks, and a product m numbers more and sends d. (By rows, a gradient a rank, the memory
/// would be the same, but a product would add up d numbers of every rank where now each sends its own, and while the window fills a step would be the work of few.) Every rank makes the same calls with the same vectors.
/// </para>
/// </summary>
public sealed partial class MfacWindow : LinearOperator
{
    private const int MostGradients = 32768; // their factor is one array

    private readonly MfacWindowOptions _options;
    private readonly GradientWindow _window;
    private readonly WindowGram _gram;
    private readonly Tensor? _kept; // indices of the parameters that take part
    private readonly IRanks _ranks;

    /// <param name="gradients">m, the window's capacity.</param>
    /// <param name="parameters">d.</param>
    /// <param name="dtype">Of the vectors: float32 or float64.</param>
    /// <param name="device">Null is the CPU.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="ranks">Those who hold it together; null: this process alone.</param>
    /// <exception cref="CurvatureException">Sizes below 1, a damping that is not positive, a dtype or mask that does not fit, or too large for the memory, of any of the ranks; fewer parameters than ranks.</exception>
    public MfacWindow(long gradients, long parameters, ScalarType dtype, Device? device = null, MfacWindowOptions? options = null, IRanks? ranks = null)
        : this(gradients, parameters, dtype, device, options, ranks ?? OneRank.Instance, rows: null)
    {
    }

    /// <summary>The same over rows that are there, of a state that is about to be loaded: where they fit, no others are made.</summary>
    internal MfacWindow(long gradients, long parameters, ScalarType dtype, Device? device, MfacWindowOptions? options, IRanks ranks, Tensor? rows)
        : base(parameters, parameters, isSymmetric: true, dtype, device ?? CPU)
    {
        _options = options ?? new MfacWindowOptions();
        Check(gradients, dtype, _options);
        ScalarType storage = _options.Storage ?? dtype;
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        _kept = Kept(_options.Mask)?.DetachFromDisposeScope();
        (Capacity, Taking, _ranks) = (gradients, _kept?.shape[0] ?? parameters, ranks);
        bool fits = rows is not null && rows.dtype == storage && rows.shape.SequenceEqual([gradients, OwnParameters]) && rows.is_contiguous();
        ranks.Together(() =>
        {
            if (!fits)
            {
                RequireMemory(storage);
            }
        });
        _window = new GradientWindow(gradients, OwnParameters, storage, Device, fits ? rows : null);
        _gram = new WindowGram((int)gradients, Damping, _options.Divisor);
    }

    /// <summary>m.</summary>
    public long Capacity { get; }

    /// <summary>Gradients in the window, at most m.</summary>
    public long Count => _gram.Count;

    /// <summary>Gradients ever inserted.</summary>
    public long Insertions => _gram.Insertions;

    /// <summary>lambda.</summary>
    public double Damping => _options.Damping;

    /// <summary>n, what the sum of squares is divided by.</summary>
    public long Divisor => _gram.Divisor;

    /// <inheritdoc/>
    /// <remarks><c>tr F^{-1} = (d - tr M^{-1} S) / lambda</c>, and <c>M^{-1} S = I - n lambda M^{-1}</c>.</remarks>
    public override double? ExactTrace => (Taking - Capacity + (Divisor * Damping * _gram.InverseTrace())) / Damping;

    private long Taking { get; }

    /// <summary>Puts a gradient into the place of the oldest. One pass over the window.</summary>
    /// <param name="gradient"><c>[d]</c>; copied.</param>
    /// <exception cref="CurvatureException">Wrong shape, dtype or device; the window is as before.</exception>
    /// <exception cref="NonFiniteException">It holds NaN or infinity; the window is as before.</exception>
    public void Insert(Tensor gradient)
    {
        if (gradient.dim() != 1 || gradient.shape[0] != Columns || gradient.dtype != DType || gradient.device.type != Device.type)
        {
            throw new CurvatureException(
                $"The window takes gradients [{Columns}] of {DType} on {Device}; got [{string.Join(", ", gradient.shape)}] of {gradient.dtype} on {gradient.device}.");
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor g = Compress(gradient.detach());
        BatchGradients.RequireFinite(g, Insertions);
        int place = _gram.Next;
        _window.Set(place, Own(g));
        _gram.Insert(InnerProducts(_window.Row(place))); // of the gradient as it is stored
    }

    /// <summary>
    /// Inserts a gradient and returns <c>F^{-1} g</c>, <c>[d]</c> in the caller's scope, with g in the window: what an optimizer's step asks for. Two passes over the window. g is
    /// the gradient as it is stored: bfloat16 takes what it rounds off out of the product too, where it would count 1/lambda.
    /// </summary>
    /// <param name="gradient"><c>[d]</c>; copied.</param>
    /// <exception cref="CurvatureException">As <see cref="Insert"/>; or M is not positive definite to float64 precision.</exception>
    public Tensor Step(Tensor gradient)
    {
        Insert(gradient);
        using DisposeScope scope = NewDisposeScope();
        Tensor unit = zeros(Capacity, ScalarType.Float64);
        unit.narrow(0, (Insertions - 1) % Capacity, 1).fill_(1);
        return ApplyToWindow(unit).MoveToOuterDisposeScope();
    }

    /// <summary><c>F^{-1} G^T c = n G^T M^{-1} c</c>, the product with a combination of the stored gradients, pushed through. One pass.</summary>
    /// <param name="coefficients">c, <c>[m]</c>, any floating dtype: one for each place of the ring, that of the k-th insertion (from 0) being k mod m.</param>
    /// <returns><c>[d]</c> in the caller's scope.</returns>
    /// <exception cref="CurvatureException">Wrong shape.</exception>
    public Tensor ApplyToWindow(Tensor coefficients)
    {
        if (coefficients.dim() != 1 || coefficients.shape[0] != Capacity || !coefficients.is_floating_point())
        {
            throw new CurvatureException($"Coefficients of the window are [{Capacity}] floats; got [{string.Join(", ", coefficients.shape)}] of {coefficients.dtype}.");
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor w = Solved(coefficients.detach().to(ScalarType.Float64, CPU)).mul(Divisor);
        return Expand(_window.AddCombination(w, zeros(OwnParameters, DType, Device))).MoveToOuterDisposeScope();
    }

    /// <summary>One product with its error.</summary>
    /// <param name="x"><c>[d]</c>.</param>
    /// <exception cref="CurvatureException">Wrong shape, dtype or device.</exception>
    public MfacProduct Solve(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor y = Apply(x);
        double condition = 1 + (_gram.S.trace().ToDouble() / (Divisor * Damping)), size = Precision.Norm(y);
        double error = Precision.Epsilon(ScalarType.Float64) * Math.Sqrt(Capacity) * condition * Precision.Norm(x.detach()) / Damping;
        return new MfacProduct(y.MoveToOuterDisposeScope(), Precision.Epsilon(DType) + (size > 0 ? error / size : 0), Gradient: null);
    }

    /// <inheritdoc/>
    /// <exception cref="NonFiniteException">The product is NaN or infinite.</exception>
    protected override Tensor Multiply(Tensor V)
    {
        Tensor Y = empty([V.shape[1], Columns], DType, Device);
        for (long k = 0; k < V.shape[1]; k++)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor x = Own(Compress(V.select(1, k))).to(ScalarType.Float64, copy: true);
            Tensor w = Solved(InnerProducts(x)); // M^{-1} G x
            Y.select(0, k).copy_(Expand(_window.AddCombination(w.div(-Damping), x.div_(Damping))));
        }

        return Finite.Everywhere(Y) ? Y.t() : throw new NonFiniteException(
            $"A product with F^-1 is not finite. Check that the vector is, and that its entries times 1/lambda = {1 / Damping:g3} fit {DType}.");
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _window.Dispose();
        _gram.Dispose();
        _kept?.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Refuses sizes, types and dampings that no window has.</summary>
    internal static void Check(long gradients, ScalarType dtype, MfacWindowOptions options)
    {
        MfacOptions.RequireDamping(options.Damping);
        ScalarType storage = options.Storage ?? dtype;
        if (gradients is < 1 or > MostGradients || dtype is not (ScalarType.Float32 or ScalarType.Float64) || (storage != dtype && storage != ScalarType.BFloat16))
        {
            throw new CurvatureException(
                $"A window holds from 1 to {MostGradients} gradients of float32 or float64, stored as that or as BFloat16; got {gradients} of {dtype}, stored as {storage}.");
        }
    }

    private Tensor? Kept(Tensor? mask)
    {
        if (mask is null)
        {
            return null;
        }

        if (mask.dtype != ScalarType.Bool || mask.dim() != 1 || mask.shape[0] != Columns || !mask.any().ToBoolean())
        {
            throw new CurvatureException(
                $"The mask is a boolean vector [{Columns}] with at least one true; got [{string.Join(", ", mask.shape)}] of {mask.dtype}.");
        }

        return mask.nonzero().squeeze(1).to(Device);
    }

    private void RequireMemory(ScalarType storage)
    {
        if (OwnParameters == 0)
        {
            throw new CurvatureException($"A window is divided by parameters: {Taking} of them are too few for {_ranks.Count} ranks.");
        }

        // Ranks of one machine take their shares of the same memory.
        bool isHost = Device.type == DeviceType.CPU;
        double bytes = ((double)Capacity * OwnParameters * storage.ElementSize()) + (16.0 * Capacity * Capacity) + (24.0 * OwnParameters);
        long? most = DeviceMemory.AtMost(Device) / ComputeDevice.Sharers(Device, _ranks.OnThisMachine);
        if (bytes > most || (isHost && OwnParameters * sizeof(double) > int.MaxValue))
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"A window of {Capacity} gradients of {OwnParameters} parameters takes {bytes / (1L << 30):f2} GiB; {DeviceMemory.Tell(Device, most!.Value)}, and a vector in float64 has at most 2 GiB. ")
                + "Use fewer gradients, BFloat16 storage, or more ranks on other machines.");
        }
    }

    private Tensor Compress(Tensor x) => _kept is null ? x : x.index_select(0, _kept);

    private Tensor Expand(Tensor y)
    {
        Tensor all = Gathered(y.to(DType));
        return _kept is null ? all : zeros(Columns, DType, Device).index_add_(0, _kept, all, 1);
    }
}
