using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>
/// <c>F^{-1}</c> of <c>F = lambda I + (1/m) sum_i g_i g_i^T</c>, <c>[d, d]</c>, from m gradients: the static M-FAC matrix (Frantar, Kurtic, Alistarh 2021, M-FAC: Efficient
/// Matrix-Free Approximations of Second-Order Information, section 3.1). A product costs two passes over m vectors [d], the diagonal one, an entry O(m). Making it
/// costs O(d m^2) in float64.
/// <para>
/// It is held as <c>F^{-1} = (I - V^T V) / lambda</c>, <c>V = L^{-1} G</c>, <c>L L^T = m lambda I + G G^T</c>: the paper's recursion in closed form (row i of V is its v_i up to
/// a factor), so that any order of the gradients gives one matrix, up to rounding. L is made in float64; V has the gradients' dtype. With
/// <see cref="MfacOptions.BlockSize"/> the same for each block of the diagonal, and blocks of at most m parameters hold their inverse itself, in float64.
/// </para>
/// <para>
/// In float32 <c>x - V^T V x</c> cancels where x is in the span of the gradients, and lambda then magnifies what is left: with lambda 1e-5 every digit may be lost. So a
/// vector that is one of the gradients is recognised, and its product pushed through, <c>F^{-1} g_j = G^T (lambda I + G G^T / m)^{-1} e_j = m V^T L^{-1} e_j</c>, which
/// cancels nothing; <see cref="ApplyToWindow"/> does so for any combination of them. For other vectors <see cref="Solve"/> returns a bound of the error.
/// </para>
/// </summary>
public sealed class MfacInverse : LinearOperator
{
    private readonly MfacForm _form;
    private readonly RowSignatures _signatures;
    private Tensor? _diagonal;

    /// <param name="gradients">G, one gradient a row, <c>[m, d]</c>, float32 or float64; cloned.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellation">Stops the making.</param>
    /// <exception cref="CurvatureException">Not a matrix of floats, a damping that is not positive, too large for the memory.</exception>
    /// <exception cref="NonFiniteException">A gradient is NaN or infinite; the message names its row.</exception>
    public MfacInverse(Tensor gradients, MfacOptions? options = null, CancellationToken cancellation = default)
        : this(Copy(gradients, options ??= new MfacOptions()), options, cancellation)
    {
    }

    private MfacInverse(GradientPages gradients, MfacOptions options, CancellationToken cancellation)
        : base(gradients.Columns, gradients.Columns, isSymmetric: true, gradients.DType, gradients.Device)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (Gradients, Damping) = (gradients.Rows, options.Damping);
        long block = Math.Min(options.BlockSize ?? Columns, Columns);
        try
        {
            _signatures = new RowSignatures(Gradients, Columns, Device);
            for (long j = 0; j < Gradients; j++)
            {
                using DisposeScope inner = NewDisposeScope();
                _signatures.Set(j, gradients.Row(j));
            }

            _form = block > Gradients
                ? new WhitenedRows(gradients, block, Damping, cancellation)
                : new InvertedBlocks(gradients, block, Damping, cancellation);
        }
        catch
        {
            _signatures?.Dispose();
            gradients.Dispose();
            throw;
        }
    }

    /// <summary>m, the gradients in the window.</summary>
    public long Gradients { get; }

    /// <summary>lambda.</summary>
    public double Damping { get; }

    /// <inheritdoc/>
    public override double? ExactTrace => DiagonalOnce().sum(ScalarType.Float64).ToDouble();

    /// <summary>
    /// The inverse for the gradients of an objective's mini-batches: F is <c>lambda I</c> plus <see cref="GradientCovarianceOperator"/> over the first m batches, so the
    /// empirical Fisher matrix plus <c>lambda I</c> where each has one row. A batch's gradient is weighted by its terms and is without the L2 term. They are written
    /// straight into the window: there is no second copy.
    /// </summary>
    /// <param name="objective">The loss and its batches; stays the caller's.</param>
    /// <param name="gradients">m; null: all batches. At most as many as there are.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="mask">Boolean <c>[d]</c>: where it is false, gradients count as zero, and F is <c>lambda I</c> there. Null: nowhere.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="CurvatureException">Fewer batches than gradients; as the constructor.</exception>
    public static MfacInverse FromBatches(
        Objective objective, long? gradients = null, MfacOptions? options = null, Tensor? mask = null, CancellationToken cancellation = default)
    {
        options ??= new MfacOptions();
        options.Check();
        if (mask is not null && (mask.dtype != ScalarType.Bool || !mask.shape.SequenceEqual([objective.Parameters.Count])))
        {
            throw new CurvatureException(
                $"The mask is a boolean vector [{objective.Parameters.Count}]; got [{string.Join(", ", mask.shape)}] of {mask.dtype}.");
        }

        double[] weights = [.. objective.RequireOneRank("A window of gradients", "its rows are those of single batches").Pass(cancellation).Select(batch => batch.Terms)];
        long m = gradients ?? weights.Length;
        if (m < 1 || m > weights.Length)
        {
            throw new CurvatureException($"Expected from 1 to {weights.Length} gradients, one a batch; got {m}. Make the batches smaller to have more.");
        }

        GradientPages pages = Allocate(m, objective.Parameters.Count, objective.Parameters.DType, objective.Parameters.Device, options);
        try
        {
            BatchGradients.Write(objective, weights.AsSpan(0, (int)m).ToArray(), mask, pages, cancellation);
            return new MfacInverse(pages, options, cancellation);
        }
        catch
        {
            pages.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The inverse for the gradients of single samples: F is <c>lambda I</c> plus the <see cref="EmpiricalFisherOperator"/> (without the objective's L2 term). One forward and
    /// one backward pass a batch give the gradients of all its samples, and one more forward pass beforehand counts them.
    /// </summary>
    /// <param name="objective">A split objective with one label a row; stays the caller's.</param>
    /// <param name="model">The model that it evaluates, of the layers whose per-sample gradients are known; no TorchScript.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <exception cref="CurvatureException">Samples that are not apart, an unknown layer, several labels a row; as the constructor.</exception>
    public static MfacInverse FromSamples(Objective objective, nn.Module model, MfacOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new MfacOptions();
        options.Check();
        (long samples, double terms) = SampleGradients.Count(objective, cancellation);
        GradientPages pages = Allocate(samples, objective.Parameters.Count, objective.Parameters.DType, objective.Parameters.Device, options);
        try
        {
            SampleGradients.Write(objective, model, terms, pages, cancellation);
            return new MfacInverse(pages, options, cancellation);
        }
        catch
        {
            pages.Dispose();
            throw;
        }
    }

    /// <summary>One product with its error.</summary>
    /// <param name="x"><c>[d]</c>.</param>
    /// <exception cref="CurvatureException">Wrong shape, dtype or device.</exception>
    public MfacProduct Solve(Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        if (x.dim() != 1)
        {
            throw new CurvatureException($"Solve takes one vector [{Columns}]; got [{string.Join(", ", x.shape)}]. Apply takes several.");
        }

        Tensor y = Apply(x);
        long? gradient = Recognise(x.detach());
        double error = gradient is { } j ? _form.MultiplyWindow(Unit(j)).Error : _form.Rounding * Precision.Norm(x.detach()) / Damping;
        double size = Precision.Norm(y);
        double relative = (size > 0 ? error / size : 0) + Precision.Epsilon(DType);
        return new MfacProduct(y.MoveToOuterDisposeScope(), relative, gradient);
    }

    /// <summary><c>F^{-1} G^T c</c>, the product with a combination of the window's gradients (for batches: as they were weighted), pushed through. One pass.</summary>
    /// <param name="coefficients">c, <c>[m]</c> or <c>[m, k]</c>, any floating dtype.</param>
    /// <returns><c>[d]</c> or <c>[d, k]</c> in the caller's scope.</returns>
    /// <exception cref="CurvatureException">Wrong shape, or blocks of at most m parameters, which hold no window.</exception>
    public Tensor ApplyToWindow(Tensor coefficients)
    {
        if (coefficients.dim() is not (1 or 2) || coefficients.shape[0] != Gradients || !coefficients.is_floating_point())
        {
            throw new CurvatureException(
                $"Coefficients of the window are [{Gradients}] or [{Gradients}, k] floats; got [{string.Join(", ", coefficients.shape)}] of {coefficients.dtype}.");
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor C = coefficients.detach().to(ScalarType.Float64, CPU);
        Tensor Y = _form.MultiplyWindow(C.dim() == 1 ? C.unsqueeze(1) : C).Product;
        return (C.dim() == 1 ? Y.squeeze(1) : Y).MoveToOuterDisposeScope();
    }

    /// <summary>The diagonal of F^{-1}, <c>[d]</c>, a copy in the caller's scope; found in float64 while the inverse was made. Its entries lie in (0, 1/lambda].</summary>
    public Tensor Diagonal() => DiagonalOnce().clone();

    /// <summary><c>[F^{-1}]_ab</c>, in O(m).</summary>
    /// <exception cref="CurvatureException">An index outside <c>0 .. d - 1</c>.</exception>
    public double Element(long a, long b)
    {
        using Tensor row = tensor(new[] { a }), column = tensor(new[] { b });
        using Tensor entry = Entries(row, column);
        return entry.ToDouble();
    }

    /// <summary>Entries <c>[F^{-1}]_ab</c> for all pairs of rows a and columns b, float64 <c>[r, c]</c> in the caller's scope, in O(m r c).</summary>
    /// <param name="rows">int64 <c>[r]</c>.</param>
    /// <param name="columns">int64 <c>[c]</c>; null: the rows again.</param>
    /// <exception cref="CurvatureException">Not indices of parameters.</exception>
    public Tensor Entries(Tensor rows, Tensor? columns = null)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        return _form.Entries(Indices(rows), Indices(columns ?? rows)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The change that sets some parameters to zero and raises <c>(1/2) Change^T F Change</c> least, all of them at once:
    /// <c>Change = -F^{-1} E_Q (F^{-1}_QQ)^{-1} w_Q</c> (Hassibi, Stork 1993, Second Order Derivatives for Network Pruning: Optimal Brain Surgeon, for a set Q in the place of one
    /// weight; Kurtic et al. 2022, The Optimal BERT Surgeon, eq. 4). It costs what making F^{-1} costs, however many parameters go: <c>F^{-1}_QQ</c> is never formed.
    /// </summary>
    /// <param name="w">The parameters' values, <c>[d]</c>.</param>
    /// <param name="eliminated">Q: boolean <c>[d]</c>, true for what goes.</param>
    /// <returns>The change in the caller's scope: exactly minus w in Q.</returns>
    /// <exception cref="CurvatureException">Wrong shapes or types.</exception>
    public MfacElimination Eliminate(Tensor w, Tensor eliminated)
    {
        if (!w.shape.SequenceEqual([Columns]) || w.dtype != DType || !eliminated.shape.SequenceEqual([Columns]) || eliminated.dtype != ScalarType.Bool)
        {
            throw new CurvatureException(
                $"Elimination takes the values [{Columns}] of {DType} and a boolean mask [{Columns}]; got [{string.Join(", ", w.shape)}] of {w.dtype} and "
                + $"[{string.Join(", ", eliminated.shape)}] of {eliminated.dtype}.");
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (Tensor change, double increase) = _form.Eliminate(w.detach().to(ScalarType.Float64, Device), eliminated.to(ScalarType.Float64, Device));
        return new MfacElimination(w.detach().neg().where(eliminated, change.to(DType)).MoveToOuterDisposeScope(), increase);
    }

    /// <inheritdoc/>
    /// <exception cref="NonFiniteException">The product is NaN or infinite.</exception>
    protected override Tensor Multiply(Tensor V)
    {
        Tensor Y = _form.Multiply(V.contiguous());
        if (_form.HoldsWindow)
        {
            for (long k = 0; k < V.shape[1]; k++)
            {
                if (Recognise(V.select(1, k)) is { } j)
                {
                    Y.select(1, k).copy_(_form.MultiplyWindow(Unit(j)).Product.squeeze(1));
                }
            }
        }

        return Finite.Everywhere(Y) ? Y : throw new NonFiniteException(
            $"A product with F^-1 is not finite. Check that the vector is, and that its entries times 1/lambda = {1 / Damping:g3} fit {DType}.");
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _form.Dispose();
        _signatures.Dispose();
        _diagonal?.Dispose();
        base.Dispose(disposing);
    }

    private static GradientPages Copy(Tensor gradients, MfacOptions options)
    {
        if (gradients.dim() != 2 || gradients.dtype is not (ScalarType.Float32 or ScalarType.Float64))
        {
            throw new CurvatureException(
                $"The gradients are a matrix [m, d] of float32 or float64, one a row; got [{string.Join(", ", gradients.shape)}] of {gradients.dtype}.");
        }

        if (gradients.shape[0] == 0 || gradients.shape[1] == 0)
        {
            throw new CurvatureException($"Expected at least one gradient of at least one parameter; got [{string.Join(", ", gradients.shape)}].");
        }

        GradientPages pages = Allocate(gradients.shape[0], gradients.shape[1], gradients.dtype, gradients.device, options);
        try
        {
            BatchGradients.Write(gradients, pages);
            return pages;
        }
        catch
        {
            pages.Dispose();
            throw;
        }
    }

    private static GradientPages Allocate(long m, long d, ScalarType dtype, Device device, MfacOptions options) =>
        new(m, d, MfacMemory.Estimate(m, d, dtype, device, options).Pages, dtype, device);

    /// <summary>e_j as a column <c>[m, 1]</c>.</summary>
    private Tensor Unit(long j) => eye(Gradients, dtype: ScalarType.Float64).narrow(1, j, 1);

    private long? Recognise(Tensor x) => _form.HoldsWindow ? _signatures.Find(x) : null;

    private Tensor DiagonalOnce()
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        return _diagonal ??= _form.Diagonal().DetachFromDisposeScope();
    }

    private Tensor Indices(Tensor index)
    {
        if (index.dim() != 1 || index.dtype != ScalarType.Int64 || index.shape[0] == 0 || index.min().ToInt64() < 0 || index.max().ToInt64() >= Columns)
        {
            throw new CurvatureException($"Expected int64 indices from 0 to {Columns - 1} in one dimension; got [{string.Join(", ", index.shape)}] of {index.dtype}.");
        }

        return index.to(Device);
    }
}
