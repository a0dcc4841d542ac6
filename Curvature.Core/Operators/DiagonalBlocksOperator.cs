using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// The diagonal blocks of a square matrix, <c>sum_g R_g^T A_gg R_g</c> over groups of rows: everything between two groups, and every row in no group, is
/// zero. What a layer-wise method (K-FAC, block-diagonal Newton) would see of A if it were exact. Symmetric where A is.
/// <para>A product takes one product of A for each group, in blocks that share a pass over the data.</para>
/// </summary>
public sealed class DiagonalBlocksOperator : LinearOperator
{
    /// <summary>Columns handed to A at once: enough to share a pass over the data, few enough to bound memory.</summary>
    private const int Chunk = 32;

    private readonly LinearOperator _a;
    private readonly Tensor[] _groups;

    /// <param name="a">The whole matrix, square; stays the caller's.</param>
    /// <param name="groups">Row indices of each group, int64 <c>[n_g]</c>, no index twice; cloned.</param>
    /// <exception cref="CurvatureException">Not square, no group, indices out of range or in two groups.</exception>
    public DiagonalBlocksOperator(LinearOperator a, IReadOnlyList<Tensor> groups) : base(a.Rows, a.Columns, a.IsSymmetric, a.DType, a.Device)
    {
        if (a.Rows != a.Columns || groups.Count == 0)
        {
            throw new CurvatureException($"Diagonal blocks are those of a square matrix and at least one group; got {a.Rows} x {a.Columns} and {groups.Count} groups.");
        }

        SubmatrixOperator.CheckIndices([.. groups], a.Rows, "group");
        _a = a;
        _groups = [.. groups.Select(g => g.to(a.Device, copy: true).DetachFromDisposeScope())];
    }

    /// <summary>One block for each layer (<see cref="ParameterSpace.Layers"/>): the module that owns the parameters.</summary>
    public static DiagonalBlocksOperator ByLayer(CurvatureOperator a) =>
        Of(a, a.Parameters.Layers.Select(layer => layer.Indices));

    /// <summary>One block for each list of parameter names.</summary>
    /// <param name="a">The whole matrix; stays the caller's.</param>
    /// <param name="groups">Names as in <see cref="ParameterSpace.Names"/>, none twice. Parameters that are not named get zero rows.</param>
    /// <exception cref="CurvatureException">A name that the operator does not have, or in two groups.</exception>
    public static DiagonalBlocksOperator ByParameters(CurvatureOperator a, IEnumerable<IReadOnlyList<string>> groups)
    {
        string[] names = [.. a.Parameters.Names];
        int IndexOf(string name) => Array.IndexOf(names, name) is >= 0 and int index
            ? index
            : throw new CurvatureException($"There is no parameter '{name}'; there are {string.Join(", ", names)}.");

        return Of(a, groups.Select(group => group.Select(IndexOf)));
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => Blockwise(V, _a.Apply);

    /// <inheritdoc/>
    protected override Tensor MultiplyTranspose(Tensor U) => Blockwise(U, _a.ApplyTranspose);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        foreach (Tensor group in _groups)
        {
            group.Dispose();
        }

        base.Dispose(disposing);
    }

    private static DiagonalBlocksOperator Of(CurvatureOperator a, IEnumerable<IEnumerable<int>> groups)
    {
        using DisposeScope scope = NewDisposeScope();
        ParameterSpace space = a.Parameters;
        Tensor Rows(int i) => arange(space.Offset(i), space.Offset(i) + space.Parameters[i].numel(), 1, ScalarType.Int64, a.Device);
        return new DiagonalBlocksOperator(a, [.. groups.Select(group => ParameterSpace.Join([.. group.Select(Rows)]))]);
    }

    private Tensor Blockwise(Tensor V, Func<Tensor, Tensor> product)
    {
        Tensor result = zeros_like(V);
        (Tensor Group, long Column)[] work = [.. _groups.SelectMany(group => Enumerable.Range(0, (int)V.shape[1]).Select(j => (group, (long)j)))];
        foreach ((Tensor Group, long Column)[] some in work.Chunk(Chunk))
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor spread = zeros([some.Length, Rows], DType, Device);
            foreach ((int i, (Tensor group, long column)) in some.Index())
            {
                spread.select(0, i).index_add_(0, group, V.select(1, column).index_select(0, group), 1);
            }

            Tensor products = product(spread.t());
            foreach ((int i, (Tensor group, long column)) in some.Index())
            {
                result.select(1, column).index_add_(0, group, products.select(1, i).index_select(0, group), 1);
            }
        }

        return result;
    }
}
