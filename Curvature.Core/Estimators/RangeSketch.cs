using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Estimators;

/// <summary>
/// What k probes <c>Omega</c> see of the range of A: <c>Y = A Omega = Q R</c> with Q orthonormal, and <c>Z = A Q</c> (or <c>A^T Q</c>). It grows by chunks of probes
/// without spending a product twice, and drops directions at rounding level, so that rank-deficient matrices and A = 0 need no special case.
/// Memory: 3 k vectors. Small matrices are float64 on the CPU.
/// </summary>
internal sealed class RangeSketch : IDisposable
{
    private readonly LinearOperator _a;
    private readonly ProbeKind _kind;
    private readonly int _seed;
    private readonly bool _adjoint;
    private readonly Tensor _omega;
    private readonly Tensor _q;
    private readonly Tensor _z;
    private readonly Tensor _r;
    private readonly Tensor _forms;
    private double _scale;

    /// <param name="a">A square operator.</param>
    /// <param name="kind">Distribution of the probes.</param>
    /// <param name="seed">Their seed; probe i depends on (seed, i) alone.</param>
    /// <param name="capacity">The most probes there will be.</param>
    /// <param name="adjoint">Whether Z is <c>A^T Q</c>.</param>
    public RangeSketch(LinearOperator a, ProbeKind kind, int seed, int capacity, bool adjoint)
    {
        DeviceMemory.RequireVectors(3L * capacity, a.Columns, a.DType, a.Device, "Ask for fewer products.", "probe and basis");
        (_a, _kind, _seed, _adjoint) = (a, kind, seed, adjoint);
        Tensor Rows() => empty([capacity, a.Columns], a.DType, a.Device).DetachFromDisposeScope();
        (_omega, _q, _z) = (Rows(), Rows(), Rows());
        _r = zeros([capacity, capacity], ScalarType.Float64).DetachFromDisposeScope();
        _forms = zeros(capacity, ScalarType.Float64).DetachFromDisposeScope();
    }

    /// <summary>Probes so far, k.</summary>
    public int Probes { get; private set; }

    /// <summary>Columns of Q, at most k.</summary>
    public int Rank { get; private set; }

    /// <summary>Products spent.</summary>
    public int Products { get; private set; }

    /// <summary>Probes as rows, <c>[k, P]</c>: a view.</summary>
    public Tensor Omega => _omega.narrow(0, 0, Probes);

    /// <summary>Basis as rows, <c>[r, P]</c>: a view.</summary>
    public Tensor Q => _q.narrow(0, 0, Rank);

    /// <summary><c>A Q</c> or <c>A^T Q</c> as rows, <c>[r, P]</c>: a view.</summary>
    public Tensor Z => _z.narrow(0, 0, Rank);

    /// <summary><c>Q^T Y</c>, <c>[r, k]</c>: a view.</summary>
    public Tensor R => _r.narrow(0, 0, Rank).narrow(1, 0, Probes);

    /// <summary><c>w_i^T A w_i</c>, <c>[k]</c>: a view.</summary>
    public Tensor Forms => _forms.narrow(0, 0, Probes);

    /// <summary>Adds probes: one product each, and one for each new direction they find.</summary>
    public void Grow(int count)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor omega = Tensors.Probes.Draw(_kind, _a.Columns, Probes, count, _seed, _a.DType, _a.Device);
        Tensor Y = _a.Apply(omega);
        _omega.narrow(0, Probes, count).copy_(omega.t());
        _forms.narrow(0, Probes, count).copy_(omega.mul(Y).sum(dim: 0, type: ScalarType.Float64));
        _scale = Math.Max(_scale, Precision.RowNorms(Y.t()).max().ToDouble());
        Tensor fresh = TallMatrix.Orthonormalise(Y, Q, 10 * Precision.Epsilon(_a.DType) * _scale);
        int found = (int)fresh.shape[1];
        if (found > 0)
        {
            _q.narrow(0, Rank, found).copy_(fresh.t());
            _z.narrow(0, Rank, found).copy_((_adjoint ? _a.ApplyTranspose(fresh) : _a.Apply(fresh)).t());
        }

        Products += count + found;
        Rank += found;
        if (Rank > 0)
        {
            _r.narrow(0, 0, Rank).narrow(1, Probes, count).copy_(Precision.Gram(Q.t(), Y));
        }

        Probes += count;
    }

    /// <summary>
    /// Column i of the answer is the unit vector s with <c>Q (I - s s^T) Q^T</c> the projector on the range of Y without its column i (the i-th column of
    /// <c>R^-T</c>, normalised: it is orthogonal to all other columns of R), or 0 where the other columns span that range too.
    /// <c>[r, k]</c> in the caller's scope.
    /// </summary>
    public Tensor LeaveOneOut()
    {
        using DisposeScope scope = NewDisposeScope();
        if (Rank == 0)
        {
            return zeros([0, Probes], ScalarType.Float64).MoveToOuterDisposeScope();
        }

        (Tensor U, Tensor S, Tensor Vt) = linalg.svd(R, fullMatrices: false);
        Tensor inverse = U.mm(Vt.div(S.unsqueeze(1)));                                      // (R^+)^T
        Tensor length = inverse.square().sum(dim: 0).sqrt();
        Tensor leverage = Vt.square().sum(dim: 0);                                          // 1 where column i of R is not in the others' span
        return inverse.div(length).mul(leverage.gt(1 - 1e-6).to(ScalarType.Float64)).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (Tensor t in (Tensor[])[_omega, _q, _z, _r, _forms])
        {
            t.Dispose();
        }
    }
}
