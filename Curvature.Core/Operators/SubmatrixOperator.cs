using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// The entries of A at chosen rows and columns, <c>S = R A C^T</c> with selection matrices R and C. A product costs one of A.
/// </summary>
public sealed class SubmatrixOperator : LinearOperator
{
    private readonly LinearOperator _a;
    private readonly Tensor _rows;
    private readonly Tensor _columns;

    /// <param name="a">The whole matrix; stays the caller's.</param>
    /// <param name="rows">Distinct int64 indices <c>[r]</c>.</param>
    /// <param name="columns">Distinct int64 indices <c>[c]</c>; null: <paramref name="rows"/> again, which keeps symmetry.</param>
    /// <exception cref="CurvatureException">Indices out of range, repeated, or not int64 vectors.</exception>
    public SubmatrixOperator(LinearOperator a, Tensor rows, Tensor? columns = null)
        : base(rows.numel(), (columns ?? rows).numel(), columns is null && a.IsSymmetric, a.DType, a.Device)
    {
        _a = a;
        _rows = Indices(rows, a.Rows, "row", a.Device);
        _columns = Indices(columns ?? rows, a.Columns, "column", a.Device);
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => _a.Apply(Spread(V, _columns, _a.Columns)).index_select(0, _rows);

    /// <inheritdoc/>
    protected override Tensor MultiplyTranspose(Tensor U) => _a.ApplyTranspose(Spread(U, _rows, _a.Rows)).index_select(0, _columns);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _rows.Dispose();
        _columns.Dispose();
        base.Dispose(disposing);
    }

    private static Tensor Spread(Tensor V, Tensor indices, long length) =>
        zeros([length, V.shape[1]], V.dtype, V.device).index_add_(0, indices, V, 1);

    /// <summary>Refuses lists that are not distinct indices, over all of them.</summary>
    internal static void CheckIndices(Tensor[] lists, long length, string what)
    {
        using DisposeScope scope = NewDisposeScope();
        bool areLists = lists.All(list => list.dim() == 1 && list.dtype == ScalarType.Int64);
        long[] all = areLists ? [.. lists.SelectMany(list => list.cpu().data<long>().ToArray())] : [];
        if (!areLists || all.Any(index => index < 0 || index >= length) || all.Distinct().LongCount() != all.LongLength)
        {
            throw new CurvatureException($"Expected distinct int64 {what} indices from 0 to {length - 1}, as vectors.");
        }
    }

    private static Tensor Indices(Tensor indices, long length, string what, Device device)
    {
        CheckIndices([indices], length, what);
        return indices.to(device, copy: true).DetachFromDisposeScope();
    }
}
