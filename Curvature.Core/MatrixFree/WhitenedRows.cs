using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>
/// <c>F^{-1} = (I - V^T V) / lambda</c> with the whitened rows <c>V = L^{-1} G</c>, <c>L L^T = m lambda I + G G^T</c>, block by block of the columns; the rows of a block
/// lie where the gradients lay. Row i of V is the recursion's <c>v_i sqrt(lambda / (m + q_i))</c> (Frantar, Kurtic, Alistarh 2021, section 3.1). Its products with
/// the window are pushed through: <c>F^{-1} G^T = G^T (lambda I + G G^T / m)^{-1} = m V^T L^{-1}</c>.
/// </summary>
internal sealed class WhitenedRows : MfacForm
{
    private readonly GradientPages _v;
    private readonly double _lambda;
    private readonly (long First, long Blocks, long Width)[] _groups;
    private readonly Tensor[] _l; // [blocks, m, m] a group, float64 on the CPU
    private readonly Tensor _diagonal; // of F^-1
    private readonly double _largestNorm; // |V_b|_F of the block where it is largest
    private readonly double _condition;

    /// <param name="gradients">G, which becomes V and is this form's from now on.</param>
    /// <param name="block">B.</param>
    /// <param name="lambda">The damping.</param>
    /// <param name="cancellation">Stops between two stretches of columns.</param>
    public WhitenedRows(GradientPages gradients, long block, double lambda, CancellationToken cancellation)
    {
        (_v, _lambda) = (gradients, lambda);
        _groups = [.. ColumnStretches.Groups(gradients.Rows, gradients.Columns, block)];
        _l = new Tensor[_groups.Length];
        _diagonal = empty(_v.Columns, _v.DType, _v.Device).DetachFromDisposeScope();
        try
        {
            for (int g = 0; g < _groups.Length; g++)
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor S = Gram(_groups[g], cancellation);
                double condition = 1 + (S.diagonal(0, 1, 2).sum(dim: 1).max().ToDouble() / (gradients.Rows * lambda));
                _condition = Math.Max(_condition, condition);
                Tensor L = Factor(S, gradients.Rows * lambda);
                _l[g] = L.cpu().DetachFromDisposeScope();
                _largestNorm = Math.Max(_largestNorm, Math.Sqrt(Whiten(_groups[g], L, condition, cancellation)));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override bool HoldsWindow => true;

    /// <summary>
    /// Rounding V to half a unit a entry moves <c>V^T V</c> by at most <c>eps |V|_F</c>, the products with it add a few units; the factor is good to float64
    /// times the condition number.
    /// </summary>
    public override double Rounding =>
        (Precision.Epsilon(_v.DType) * (_largestNorm + 4)) + (Precision.Epsilon(ScalarType.Float64) * Math.Sqrt(_v.Rows) * _condition);

    public override Tensor Multiply(Tensor X)
    {
        Tensor Y = X.clone();
        _v.Visit((V, _) =>
        {
            foreach ((long first, long blocks, long width) in _groups)
            {
                // y <- y - V^T (V x), a block at a time
                Tensor Vb = GradientPages.Blocks(V, first, blocks, width), x = Stretch(X, first, blocks, width);
                Stretch(Y, first, blocks, width).sub_(Vb.transpose(1, 2).bmm(Vb.bmm(x)));
            }
        });
        return Y.div_(_lambda);
    }

    public override (Tensor Product, double Error) MultiplyWindow(Tensor C)
    {
        Tensor Y = zeros([_v.Columns, C.shape[1]], _v.DType, _v.Device);
        Tensor[] Z = [.. _l.Select(L => linalg.solve_triangular(L, C.unsqueeze(0).repeat(L.shape[0], 1, 1), upper: false).mul(_v.Rows))]; // m L^{-1} C
        _v.Visit((V, row) =>
        {
            for (int g = 0; g < _groups.Length; g++)
            {
                (long first, long blocks, long width) = _groups[g];
                Tensor z = Z[g].narrow(1, row, V.shape[0]).to(_v.DType, _v.Device);
                Stretch(Y, first, blocks, width).add_(GradientPages.Blocks(V, first, blocks, width).transpose(1, 2).bmm(z));
            }
        });
        double size = Math.Sqrt(Z.Sum(z => z.square().sum().ToDouble()));
        return (Y, Rounding * size);
    }

    public override Tensor Diagonal() => _diagonal.clone();

    public override Tensor Entries(Tensor rows, Tensor columns)
    {
        Tensor inner = zeros([rows.shape[0], columns.shape[0]], ScalarType.Float64, _v.Device);
        _v.Visit((V, _) => inner.add_(
            V.index_select(1, rows).to(ScalarType.Float64).t().mm(V.index_select(1, columns).to(ScalarType.Float64))));
        (Tensor ones, Tensor sameBlock) = (Equal(rows, columns), Equal(BlockOf(rows), BlockOf(columns)));
        return ones.sub(inner.mul(sameBlock)).div_(_lambda);
    }

    /// <summary>
    /// With K the parameters that stay, <c>B = I - V_Q V_Q^T = m lambda L^{-1} L^{-T} + V_K V_K^T</c> (a sum, which cancels nothing) turns the inverse of <c>F^{-1}_QQ = (I - V_Q^T
    /// V_Q) / lambda</c> into an m x m solve: <c>Change_K = V_K^T B^{-1} V_Q w_Q</c>, <c>Increase = (lambda/2) (|w_Q|^2 + (V_Q w_Q)^T B^{-1} V_Q w_Q)</c>.
    /// </summary>
    public override (Tensor Change, double Increase) Eliminate(Tensor w, Tensor Q)
    {
        Tensor change = w.mul(Q).neg(), kept = Q.neg().add(1);
        double increase = w.mul(Q).square().sum().ToDouble();
        for (int g = 0; g < _groups.Length; g++)
        {
            using DisposeScope scope = NewDisposeScope();
            (long first, long blocks, long width) = _groups[g];
            Tensor Inverse = linalg.solve_triangular(_l[g], eye(_v.Rows, dtype: ScalarType.Float64).unsqueeze(0).repeat(blocks, 1, 1), upper: false).to(_v.Device);
            Tensor B = Inverse.bmm(Inverse.transpose(1, 2)).mul_(_v.Rows * _lambda), u = zeros([blocks, _v.Rows, 1], ScalarType.Float64, _v.Device);
            foreach ((long at, long count) in Pieces(_groups[g]))
            {
                using DisposeScope inner = NewDisposeScope();
                Tensor V = _v.Columns64(at, blocks, count), VK = V.mul(Row(kept, at, blocks, count));
                B.add_(VK.bmm(VK.transpose(1, 2)));
                u.sub_(V.bmm(Row(change, at, blocks, count).transpose(1, 2)));
            }

            Tensor z = u.cholesky_solve(Factor(B, 0));
            increase += u.mul(z).sum().ToDouble();
            foreach ((long at, long count) in Pieces(_groups[g]))
            {
                using DisposeScope inner = NewDisposeScope();
                Tensor VK = _v.Columns64(at, blocks, count).mul(Row(kept, at, blocks, count));
                change.narrow(0, at, blocks * count).add_(VK.transpose(1, 2).bmm(z).reshape(-1));
            }
        }

        return (change, _lambda / 2 * increase);
    }

    public override void Dispose()
    {
        _v.Dispose();
        _diagonal.Dispose();
        foreach (Tensor? l in _l)
        {
            l?.Dispose(); // null where its making was cut short
        }
    }

    /// <summary>The lower Cholesky factor of <c>S + shift I</c>, batched, in float64.</summary>
    /// <exception cref="CurvatureException">Not positive definite to working precision.</exception>
    internal static Tensor Factor(Tensor S, double shift)
    {
        Tensor damped = S.clone();
        damped.diagonal(0, 1, 2).add_(shift);
        (Tensor L, Tensor info) = linalg.cholesky_ex(damped);
        return info.any().ToBoolean()
            ? throw new CurvatureException(FormattableString.Invariant(
                $"The gradients' Gram matrix plus the damping is not positive definite to float64 precision: the largest entry is {S.max().ToDouble():g3}, the shift {shift:g3}. ")
                + "Raise the damping.")
            : L;
    }

    /// <summary>Rows <c>[d, k]</c> of some blocks, as <c>[blocks, width, k]</c>; a view of contiguous X.</summary>
    private static Tensor Stretch(Tensor X, long first, long blocks, long width) =>
        X.narrow(0, first, blocks * width).view(blocks, width, X.shape[1]);

    /// <summary>A vector <c>[d]</c> at some blocks, as a row for each, <c>[blocks, 1, width]</c>.</summary>
    private static Tensor Row(Tensor x, long first, long blocks, long width) => x.narrow(0, first, blocks * width).view(blocks, 1, width);

    private static Tensor Equal(Tensor rows, Tensor columns) => rows.unsqueeze(1).eq(columns.unsqueeze(0)).to(ScalarType.Float64);

    private Tensor BlockOf(Tensor index) => index.div(_groups[0].Width, RoundingMode.floor);

    /// <summary><c>G_b G_b^T</c>, <c>[blocks, m, m]</c>.</summary>
    private Tensor Gram((long First, long Blocks, long Width) group, CancellationToken cancellation)
    {
        Tensor S = zeros([group.Blocks, _v.Rows, _v.Rows], ScalarType.Float64, _v.Device);
        foreach ((long first, long count) in Pieces(group))
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            Tensor G = _v.Columns64(first, group.Blocks, count);
            S.add_(G.bmm(G.transpose(1, 2)));
        }

        return S;
    }

    /// <summary>
    /// <c>V_b = L_b^{-1} G_b</c> in place; the largest <c>|V_b|_F^2</c>. Here, where V is still in float64, is the diagonal <c>(1 - |v_a|^2) / lambda</c> taken: where the
    /// curvature is large hardly anything is left of the 1. No entry is less than <c>1 / (lambda condition)</c>, the least that an eigenvalue of F^-1 can be.
    /// </summary>
    private double Whiten((long First, long Blocks, long Width) group, Tensor L, double condition, CancellationToken cancellation)
    {
        Tensor squares = zeros(group.Blocks, ScalarType.Float64, _v.Device);
        foreach ((long first, long count) in Pieces(group))
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            Tensor V = linalg.solve_triangular(L, _v.Columns64(first, group.Blocks, count), upper: false);
            Tensor columns = V.square().sum(dim: 1); // |v_a|^2, [blocks, count]
            squares.add_(columns.sum(dim: 1));
            _diagonal.narrow(0, first, group.Blocks * count).copy_(columns.neg().add(1).clamp_min(1 / condition).div(_lambda).reshape(-1));
            _v.SetColumns(first, V);
        }

        return squares.max().ToDouble();
    }

    /// <summary>Several blocks come whole; a single one may be too wide.</summary>
    private IEnumerable<(long First, long Count)> Pieces((long First, long Blocks, long Width) group) => group.Blocks > 1
        ? [(group.First, group.Width)]
        : ColumnStretches.Of(_v.Rows, group.Width).Select(piece => (group.First + piece.First, piece.Count));
}
