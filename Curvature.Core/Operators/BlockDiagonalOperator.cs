using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary><c>diag(A_1, ..., A_b)</c>: each block sees its own stretch of the vector.</summary>
public sealed class BlockDiagonalOperator : LinearOperator
{
    private readonly IReadOnlyList<LinearOperator> _blocks;

    /// <param name="blocks">At least one, of one dtype and device; they stay the caller's.</param>
    public BlockDiagonalOperator(IReadOnlyList<LinearOperator> blocks)
        : base(blocks.Sum(b => b.Rows), blocks.Sum(b => b.Columns), blocks.All(b => b.IsSymmetric), blocks[0].DType, blocks[0].Device) =>
        _blocks = blocks;

    /// <inheritdoc/>
    public override double? ExactTrace => _blocks.All(b => b.Rows == b.Columns && b.ExactTrace is not null) ? _blocks.Sum(b => b.ExactTrace) : null;

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor V) => Blockwise(V, b => b.Columns, (b, v) => b.Apply(v));

    /// <inheritdoc/>
    protected override Tensor MultiplyTranspose(Tensor U) => Blockwise(U, b => b.Rows, (b, u) => b.ApplyTranspose(u));

    private Tensor Blockwise(Tensor V, Func<LinearOperator, long> length, Func<LinearOperator, Tensor, Tensor> product)
    {
        List<Tensor> parts = [];
        long offset = 0;
        foreach (LinearOperator block in _blocks)
        {
            parts.Add(product(block, V.narrow(0, offset, length(block))));
            offset += length(block);
        }

        return cat(parts);
    }
}
