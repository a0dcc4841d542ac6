using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// A matrix known by its products. Vectors are <c>[n]</c>, several at once <c>[n, k]</c> (columns), of the operator's dtype and device;
/// results come in the same form as new tensors of the caller's dispose scope. The algebra <c>A + B</c>, <c>c * A</c>, <c>A * B</c>,
/// <see cref="Shift"/>, <see cref="Transpose"/>, <see cref="Submatrix"/> builds operators that refer to their parts and do not own them.
/// </summary>
public abstract class LinearOperator : IDisposable
{
    /// <param name="rows">Length of the results.</param>
    /// <param name="columns">Length of the vectors.</param>
    /// <param name="isSymmetric">Whether <c>A = A^T</c>, by construction.</param>
    /// <param name="dtype">Floating dtype of vectors and results.</param>
    /// <param name="device">Where they lie.</param>
    protected LinearOperator(long rows, long columns, bool isSymmetric, ScalarType dtype, Device device)
    {
        if (rows < 1 || columns < 1 || (isSymmetric && rows != columns))
        {
            throw new CurvatureException($"A {(isSymmetric ? "symmetric " : "")}operator cannot have {rows} rows and {columns} columns.");
        }

        (Rows, Columns, IsSymmetric, DType, Device) = (rows, columns, isSymmetric, dtype, device);
    }

    /// <summary>Length of the results.</summary>
    public long Rows { get; }

    /// <summary>Length of the vectors.</summary>
    public long Columns { get; }

    /// <summary>Whether <c>A = A^T</c>, by construction.</summary>
    public bool IsSymmetric { get; }

    /// <summary>Floating dtype of vectors and results.</summary>
    public ScalarType DType { get; }

    /// <summary>Where vectors and results lie.</summary>
    public Device Device { get; }

    /// <summary>Products asked of this operator so far, <c>A v</c> and <c>A^T u</c> alike; a block of k columns counts k.</summary>
    public int Products { get; private set; }

    /// <summary>theta, where rows and columns belong to parameters, whose layers estimators then tell apart; else null.</summary>
    public virtual ParameterSpace? Parameters => null;

    /// <summary>The trace where the structure gives it exactly without products, else null.</summary>
    public virtual double? ExactTrace => null;

    /// <summary><c>A + B</c>.</summary>
    public static LinearOperator operator +(LinearOperator a, LinearOperator b) => new SumOperator(a, b);

    /// <summary><c>A - B</c>.</summary>
    public static LinearOperator operator -(LinearOperator a, LinearOperator b) => new SumOperator(a, new ScaledOperator(-1, b));

    /// <summary><c>A B</c>.</summary>
    public static LinearOperator operator *(LinearOperator a, LinearOperator b) => new ProductOperator(a, b);

    /// <summary><c>c A</c>.</summary>
    public static LinearOperator operator *(double c, LinearOperator a) => new ScaledOperator(c, a);

    /// <summary><c>A v</c>, for <c>v</c> of <c>[Columns]</c> or <c>[Columns, k]</c>.</summary>
    /// <exception cref="CurvatureException">Wrong shape, dtype or device.</exception>
    public Tensor Apply(Tensor v) => Product(v, Columns, Multiply);

    /// <summary><c>A^T u</c>, for <c>u</c> of <c>[Rows]</c> or <c>[Rows, k]</c>.</summary>
    /// <exception cref="CurvatureException">Wrong shape, dtype or device.</exception>
    public Tensor ApplyTranspose(Tensor u) => IsSymmetric ? Apply(u) : Product(u, Rows, MultiplyTranspose);

    /// <summary>
    /// The quadratic forms <c>v_b^T (A v)_b</c> of each column v of V within each block b: what traces are made of. They count as a product a column, and take one unless the operator knows a shorter way
    /// (<see cref="HessianOperator"/>).
    /// </summary>
    /// <param name="V"><c>[Columns, k]</c>.</param>
    /// <param name="blocks">The blocks: the layers of a parameter space of that many entries; null: one block of all.</param>
    /// <returns>k numbers a block.</returns>
    /// <exception cref="CurvatureException">Not square; wrong shape, dtype or device; blocks of another size.</exception>
    public double[][] QuadraticForms(Tensor V, ParameterSpace? blocks = null)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        return BlockForms.ByBlock(FormsOf(V, blocks), blocks);
    }

    /// <summary><c>A + c I</c>: damping.</summary>
    public LinearOperator Shift(double c) => new ShiftedOperator(this, c);

    /// <summary><c>A^T</c>.</summary>
    public LinearOperator Transpose() => IsSymmetric ? this : new TransposedOperator(this);

    /// <summary>The entries at the given rows and columns, <c>A[rows, columns]</c>; equal index lists keep symmetry.</summary>
    /// <param name="rows">Distinct int64 row indices <c>[r]</c>; cloned.</param>
    /// <param name="columns">Distinct int64 column indices <c>[c]</c>; null: the rows again.</param>
    public LinearOperator Submatrix(Tensor rows, Tensor? columns = null) => new SubmatrixOperator(this, rows, columns);

    /// <summary>All entries as a matrix <c>[Rows, Columns]</c>, by <see cref="Columns"/> products.</summary>
    /// <param name="limit">The largest number of columns allowed, against accidents: the cost grows with the square.</param>
    /// <param name="progress">Told after each chunk of columns.</param>
    /// <exception cref="CurvatureException">More columns than <paramref name="limit"/>.</exception>
    public Tensor ToDense(long limit = 4096, IProgress<ProductProgress>? progress = null)
    {
        if (Columns > limit)
        {
            throw new CurvatureException(
                $"A dense matrix of {Rows} x {Columns} entries takes {Columns} products; the limit is {limit} columns. Pass a larger limit to insist.");
        }

        const long Chunk = 64;
        using DisposeScope scope = NewDisposeScope();
        Tensor dense = empty([Rows, Columns], DType, Device);
        for (long first = 0; first < Columns; first += Chunk)
        {
            using DisposeScope inner = NewDisposeScope();
            long count = Math.Min(Chunk, Columns - first);
            dense.narrow(1, first, count).copy_(Apply(UnitVectors(first, count)));
            progress?.Report(new ProductProgress("dense matrix", (int)(first + count), (int)Columns));
        }

        return dense.MoveToOuterDisposeScope();
    }

    /// <summary>Columns <c>first .. first + count - 1</c> of the identity, <c>[Columns, count]</c>, in the caller's scope.</summary>
    internal Tensor UnitVectors(long first, long count)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor e = zeros([count, Columns], DType, Device);
        e.narrow(1, first, count).copy_(eye(count, count, DType, Device));
        return e.t().MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the operator itself holds.</summary>
    protected virtual void Dispose(bool disposing)
    {
    }

    /// <summary><c>A V</c> for <c>V</c> of <c>[Columns, k]</c>: <c>[Rows, k]</c>, a new tensor of the current scope. No graph is recorded.</summary>
    protected abstract Tensor Multiply(Tensor V);

    /// <summary><c>A^T U</c> for <c>U</c> of <c>[Rows, k]</c>; asked only where A is not symmetric.</summary>
    protected virtual Tensor MultiplyTranspose(Tensor U) => throw new CurvatureException($"{GetType().Name} has no product with its transpose.");

    /// <summary><c>v_i^T (A v)_i</c> of each column v of V for each parameter i of the blocks, float64 <c>[parameters, k]</c> (<c>[1, k]</c> without blocks), a new tensor of the current scope. No graph is recorded.</summary>
    private protected virtual Tensor Forms(Tensor V, ParameterSpace? blocks) => BlockForms.Sums(V.mul(Multiply(V)), blocks);

    /// <summary>The same of an operand, which counts them as its products.</summary>
    private protected static Tensor FormsOf(LinearOperator a, Tensor V, ParameterSpace? blocks) => a.FormsOf(V, blocks);

    private Tensor FormsOf(Tensor V, ParameterSpace? blocks)
    {
        Check(V, Columns);
        if (V.dim() != 2 || Rows != Columns || (blocks is not null && blocks.Count != Columns))
        {
            throw new CurvatureException(
                $"Quadratic forms are those of a square operator, columns [{Columns}, k] and blocks of as many entries; got {Rows} x {Columns}, [{string.Join(", ", V.shape)}]{(blocks is null ? "" : $" and blocks of {blocks.Count}")}.");
        }

        using DisposeScope scope = NewDisposeScope();
        Products += (int)V.shape[1];
        return Forms(V.detach(), blocks).MoveToOuterDisposeScope();
    }

    private void Check(Tensor v, long length)
    {
        if (v.dim() is not (1 or 2) || v.shape[0] != length || v.dtype != DType || v.device.type != Device.type)
        {
            throw new CurvatureException(
                $"{GetType().Name} multiplies vectors [{length}] or [{length}, k] of {DType} on {Device}; got [{string.Join(", ", v.shape)}] of {v.dtype} on {v.device}.");
        }
    }

    private Tensor Product(Tensor v, long length, Func<Tensor, Tensor> multiply)
    {
        bool isVector = v.dim() == 1;
        Check(v, length);
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor V = isVector ? v.detach().unsqueeze(1) : v.detach();
        Products += (int)V.shape[1];
        Tensor result = multiply(V);
        return (isVector ? result.squeeze(1) : result).MoveToOuterDisposeScope();
    }
}
