using Curvature.Operators;
using Curvature.Tensors;
using MathNet.Numerics.LinearAlgebra;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Krylov;

/// <summary>
/// An orthonormal basis Q of a Krylov space of a symmetric A, orthogonal to locked vectors, with the projection <c>T = Q^T A Q</c> and the
/// residual of the recurrence: <c>A Q = Q T + beta q e^T</c>. It grows by one product a step and can be compressed to chosen Ritz vectors
/// (thick restart), after which the recurrence still holds.
/// </summary>
internal sealed class KrylovBasis : IDisposable
{
    private readonly LinearOperator _a;
    private readonly Tensor _locked;
    private readonly Tensor _q;
    private readonly Matrix<double> _t;
    private double _scale;

    /// <param name="a">The operator.</param>
    /// <param name="size">Largest number of basis vectors.</param>
    /// <param name="locked">Orthonormal rows <c>[l, P]</c> to stay orthogonal to; l may be 0. The caller's.</param>
    /// <param name="start">First vector <c>[P]</c>, any length.</param>
    public KrylovBasis(LinearOperator a, int size, Tensor locked, Tensor start)
    {
        (_a, Size, _locked) = (a, size, locked);
        _q = empty([size + 1, a.Columns], a.DType, a.Device).DetachFromDisposeScope();
        _t = Matrix<double>.Build.Dense(size, size);
        using DisposeScope scope = NewDisposeScope();
        Tensor w = start.clone();
        Orthogonalise(w, locked);
        Orthogonalise(w, locked);
        _q.select(0, 0).copy_(w.div_(Precision.Norm(w)));
    }

    /// <summary>Largest number of basis vectors.</summary>
    public int Size { get; }

    /// <summary>Vectors whose column of T is known.</summary>
    public int Length { get; private set; }

    /// <summary>Norm of the recurrence's residual; 0 where the space is invariant.</summary>
    public double Beta { get; private set; } = double.PositiveInfinity;

    /// <summary>Whether A maps the space into itself, up to rounding: its Ritz pairs are then eigenpairs.</summary>
    public bool IsInvariant => Beta == 0;

    /// <summary>One product: completes T's next column and finds the vector after it.</summary>
    public void Expand()
    {
        using DisposeScope scope = NewDisposeScope();
        int j = Length++;
        Tensor w = _a.Apply(_q.select(0, j)).clone();
        Tensor before = w.square().sum();
        Tensor basis = _q.narrow(0, 0, j + 1);
        Orthogonalise(w, _locked);
        Tensor h = Orthogonalise(w, basis);
        Orthogonalise(w, _locked);
        h = h.add(Orthogonalise(w, basis));
        double[] column = cat([h, stack([before, w.square().sum()])]).to(ScalarType.Float64).cpu().data<double>().ToArray(); // one wait for the device
        for (int i = 0; i <= j; i++)
        {
            _t[i, j] = _t[j, i] = column[i];
        }

        double beta = Math.Sqrt(column[j + 2]);
        _scale = Math.Max(_scale, Math.Sqrt(column[j + 1]));
        bool exhausted = Length + _locked.shape[0] >= _a.Columns;
        Beta = exhausted || beta <= 10 * Precision.Epsilon(_a.DType) * _scale ? 0 : beta;
        if (!IsInvariant)
        {
            _q.select(0, j + 1).copy_(w.div_(beta));
        }
    }

    /// <summary>Ritz values, ascending, with their residual bounds <c>beta |s_last|</c> and the eigenvectors S of T as columns.</summary>
    public (double[] Values, double[] Residuals, Matrix<double> S) Ritz()
    {
        (double[] values, Matrix<double> s) = SymmetricEigen.Of(_t.SubMatrix(0, Length, 0, Length));
        return (values, [.. Enumerable.Range(0, Length).Select(i => Beta * Math.Abs(s[Length - 1, i]))], s);
    }

    /// <summary>Ritz vectors as orthonormal rows <c>[chosen, P]</c>, new in the caller's scope.</summary>
    public Tensor Vectors(Matrix<double> s, int[] chosen)
    {
        using DisposeScope scope = NewDisposeScope();
        double[] flat = [.. chosen.SelectMany(i => s.Column(i))];
        Tensor coefficients = tensor(flat, [chosen.Length, Length]).to(_a.DType, _a.Device);
        return coefficients.mm(_q.narrow(0, 0, Length)).MoveToOuterDisposeScope();
    }

    /// <summary>Thick restart: keeps the chosen Ritz vectors and the residual vector, <c>T = diag(theta)</c> so far.</summary>
    public void Restart(double[] values, Matrix<double> s, int[] chosen)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor kept = Vectors(s, chosen), next = _q.select(0, Length).clone();
        _q.narrow(0, 0, chosen.Length).copy_(kept);
        _q.select(0, chosen.Length).copy_(next);
        _t.Clear();
        for (int i = 0; i < chosen.Length; i++)
        {
            _t[i, i] = values[chosen[i]];
        }

        Length = chosen.Length;
    }

    public void Dispose() => _q.Dispose();

    /// <summary>Takes the components along the rows out of w, in place, and returns them: <c>h = R w</c>, <c>w -= R^T h</c>.</summary>
    private static Tensor Orthogonalise(Tensor w, Tensor rows)
    {
        Tensor h = rows.mv(w);
        w.sub_(rows.t().mv(h));
        return h;
    }
}
