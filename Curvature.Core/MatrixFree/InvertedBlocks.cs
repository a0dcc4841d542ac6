using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>
/// Blocks of no more columns than there are gradients, held as what they are: <c>F_b^{-1} = (lambda I + G_b^T G_b / m)^{-1}</c>, B x B in float64. Less memory than
/// the whitened rows, and no cancellation.
/// </summary>
internal sealed class InvertedBlocks : MfacForm
{
    private readonly (long First, long Blocks, long Width)[] _groups;
    private readonly Tensor[] _inverses; // [blocks, B, B] a group
    private readonly long _columns, _rows;
    private readonly ScalarType _dtype;
    private readonly Device _device;
    private readonly double _condition;

    /// <param name="gradients">G; disposed here.</param>
    /// <param name="block">B.</param>
    /// <param name="lambda">The damping.</param>
    /// <param name="cancellation">Stops between two groups of blocks.</param>
    public InvertedBlocks(GradientPages gradients, long block, double lambda, CancellationToken cancellation)
    {
        (_columns, _rows, _dtype, _device) = (gradients.Columns, gradients.Rows, gradients.DType, gradients.Device);
        _groups = [.. ColumnStretches.Groups(gradients.Rows, gradients.Columns, block)];
        _inverses = new Tensor[_groups.Length];
        try
        {
            for (int g = 0; g < _groups.Length; g++)
            {
                cancellation.ThrowIfCancellationRequested();
                using DisposeScope scope = NewDisposeScope();
                (long first, long blocks, long width) = _groups[g];
                Tensor G = gradients.Columns64(first, blocks, width);
                Tensor covariance = G.transpose(1, 2).bmm(G).div_(gradients.Rows);
                _condition = Math.Max(_condition, 1 + (covariance.diagonal(0, 1, 2).sum(dim: 1).max().ToDouble() / lambda));
                _inverses[g] = cholesky_inverse(WhitenedRows.Factor(covariance, lambda)).DetachFromDisposeScope();
            }
        }
        catch
        {
            Dispose();
            throw;
        }

        gradients.Dispose();
    }

    public override bool HoldsWindow => false;

    public override double Rounding => Precision.Epsilon(ScalarType.Float64) * Math.Sqrt(_rows) * _condition;

    public override Tensor Multiply(Tensor X)
    {
        Tensor Y = empty([_columns, X.shape[1]], _dtype, _device);
        for (int g = 0; g < _groups.Length; g++)
        {
            using DisposeScope scope = NewDisposeScope();
            (long first, long blocks, long width) = _groups[g];
            Tensor x = X.narrow(0, first, blocks * width).reshape(blocks, width, X.shape[1]).to(ScalarType.Float64);
            Y.narrow(0, first, blocks * width).copy_(_inverses[g].bmm(x).view(blocks * width, X.shape[1]));
        }

        return Y;
    }

    public override (Tensor Product, double Error) MultiplyWindow(Tensor C) => throw new CurvatureException(
        $"Blocks of at most m = {_rows} parameters hold the inverse itself and not the window: form G^T c and call Apply, which is as exact as float64 here.");

    public override Tensor Diagonal() => ParameterSpace.Join([.. _inverses.Select(inverse => inverse.diagonal(0, 1, 2).reshape(-1))]).to(_dtype);

    public override Tensor Entries(Tensor rows, Tensor columns)
    {
        Tensor entries = zeros([rows.shape[0], columns.shape[0]], ScalarType.Float64, _device);
        for (int g = 0; g < _groups.Length; g++)
        {
            using DisposeScope scope = NewDisposeScope();
            (long first, long blocks, long width) = _groups[g];
            (Tensor r, Tensor c) = (Within(rows, first, blocks * width), Within(columns, first, blocks * width));
            if (r.shape[0] == 0 || c.shape[0] == 0)
            {
                continue;
            }

            Tensor a = rows.index_select(0, r).add(-first), b = columns.index_select(0, c).add(-first);
            Tensor block = a.div(width, RoundingMode.floor).unsqueeze(1), other = b.div(width, RoundingMode.floor).unsqueeze(0);
            Tensor values = _inverses[g].index(block, a.remainder(width).unsqueeze(1), b.remainder(width).unsqueeze(0)).mul(block.eq(other));
            entries.index_put_(values, r.unsqueeze(1), c.unsqueeze(0));
        }

        return entries;
    }

    /// <summary>Block by block, with ones on the diagonal for what stays: <c>A = E_Q F^{-1}_QQ E_Q^T + E_K E_K^T</c>, <c>a = A^{-1} E_Q w_Q</c>.</summary>
    public override (Tensor Change, double Increase) Eliminate(Tensor w, Tensor Q)
    {
        Tensor change = zeros_like(w);
        double increase = 0;
        for (int g = 0; g < _groups.Length; g++)
        {
            using DisposeScope scope = NewDisposeScope();
            (long first, long blocks, long width) = _groups[g];
            Tensor Column(Tensor x) => x.narrow(0, first, blocks * width).view(blocks, width, 1);
            Tensor q = Column(Q), wq = Column(w).mul(q);
            Tensor A = _inverses[g].mul(q).mul(q.transpose(1, 2));
            A.diagonal(0, 1, 2).add_(q.neg().add(1).squeeze(2));
            Tensor a = wq.cholesky_solve(WhitenedRows.Factor(A, 0));
            increase += wq.mul(a).sum().ToDouble() / 2;
            change.narrow(0, first, blocks * width).copy_(_inverses[g].bmm(a).neg().reshape(-1));
        }

        return (change, increase);
    }

    public override void Dispose()
    {
        foreach (Tensor? inverse in _inverses)
        {
            inverse?.Dispose(); // null where its making was cut short
        }
    }

    /// <summary>Positions of the indices within a stretch of columns.</summary>
    private static Tensor Within(Tensor index, long first, long count) =>
        index.lt(first + count).mul(index.lt(first).logical_not()).nonzero().squeeze(1);
}
