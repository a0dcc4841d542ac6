using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// The Kronecker product nearest to a matrix in the Frobenius norm, <c>min |M - L (x) R|_F</c> with L <c>[p, p]</c> and R <c>[q, q]</c>. Rearranged so that <c>L (x) R</c> becomes <c>vec L vec R^T</c>, M
/// becomes a matrix <c>[p^2, q^2]</c> whose largest singular pair is the answer; power iteration finds it by <c>L = sum_jl M_(.j)(.l) R_jl / |R|^2</c> and the same for R, each step the least-squares
/// factor for the other, so that the error falls with every step. Positive semi-definite where M is. Van Loan and Pitsianis 1993, Approximation with Kronecker Products, theorem 3.1.
/// <para>
/// KFAC takes the product of means in place of the mean of products; this says how much of its error is that choice. Shapes: M as an operator over <c>vec X</c>, row-major, X <c>[p, q]</c>: for a
/// weight <c>[out, in]</c> L acts on the outputs.
/// </para>
/// </summary>
public sealed class KroneckerPair : IDisposable
{
    private MatrixOperator? _left, _right;

    private KroneckerPair(Tensor left, Tensor right, double relativeError, int iterations, bool converged) =>
        (Left, Right, RelativeError, Iterations, Converged) = (left.DetachFromDisposeScope(), right.DetachFromDisposeScope(), relativeError, iterations, converged);

    /// <summary>L, <c>[p, p]</c>; this object's.</summary>
    public Tensor Left { get; }

    /// <summary>R, <c>[q, q]</c>; this object's.</summary>
    public Tensor Right { get; }

    /// <summary><c>|M - L (x) R|_F / |M|_F</c>; accurate to the square root of the rounding unit.</summary>
    public double RelativeError { get; }

    /// <summary>Steps made, a factor each.</summary>
    public int Iterations { get; }

    /// <summary>Whether <c>|L (x) R|</c> had settled to the tolerance.</summary>
    public bool Converged { get; }

    /// <summary>The product nearest to a matrix given by products; all its entries are formed, <c>(p q)^2</c>, at <c>p q</c> products.</summary>
    /// <param name="m">Square, of p q rows.</param>
    /// <param name="rows">p.</param>
    /// <param name="columns">q.</param>
    /// <param name="tolerance">Relative change of <c>|L (x) R|</c> at which to stop. Default 1e-10 (1e-6 in float32 is what can be had).</param>
    /// <param name="maxIterations">Steps at most. Default 1000.</param>
    /// <exception cref="CurvatureException">Not <c>p q x p q</c>.</exception>
    /// <exception cref="NonFiniteException">An entry is NaN or infinite.</exception>
    public static KroneckerPair Nearest(LinearOperator m, long rows, long columns, double tolerance = 1e-10, int maxIterations = 1000)
    {
        if (rows < 1 || columns < 1 || m.Rows != rows * columns || m.Columns != rows * columns)
        {
            throw new CurvatureException($"A {m.Rows} x {m.Columns} matrix is no product of {rows} x {rows} and {columns} x {columns}: expected {rows * columns} rows and columns.");
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor dense = m.ToDense();
        double scale = Largest(dense);
        dense = dense.div(scale);
        Tensor rearranged = dense.reshape(rows, columns, rows, columns).permute(0, 2, 1, 3).reshape(rows * rows, columns * columns), transposed = rearranged.t();
        return Iterate(
            R => rearranged.mv(R.reshape(-1)).reshape(rows, rows),
            L => transposed.mv(L.reshape(-1)).reshape(columns, columns),
            eye(columns, columns, dense.dtype, dense.device), Precision.Norm(dense), scale, tolerance, maxIterations);
    }

    /// <summary>
    /// The product nearest to <c>sum_n vec X_n vec X_n^T</c>, a second moment of per-sample gradients that is never formed: a step costs two matrix products a sample, the error one Gram matrix
    /// of the samples.
    /// </summary>
    /// <param name="gradients">X, <c>[N, p, q]</c>.</param>
    /// <param name="tolerance">As above.</param>
    /// <param name="maxIterations">Steps at most. Default 1000.</param>
    /// <exception cref="CurvatureException">Not three-dimensional or empty.</exception>
    /// <exception cref="NonFiniteException">An entry is NaN or infinite.</exception>
    public static KroneckerPair Nearest(Tensor gradients, double tolerance = 1e-10, int maxIterations = 1000)
    {
        if (gradients.dim() != 3 || gradients.numel() == 0)
        {
            throw new CurvatureException($"Per-sample gradients of a matrix are [N, p, q]; got [{string.Join(", ", gradients.shape)}].");
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        double scale = Largest(gradients.detach());
        Tensor X = gradients.detach().div(scale), Y = X.transpose(1, 2).contiguous(), flat = X.reshape(X.shape[0], -1);
        return Iterate(
            R => SecondMoment(X, R),
            L => SecondMoment(Y, L),
            eye(X.shape[2], X.shape[2], X.dtype, X.device), Precision.Norm(flat.mm(flat.t())), scale * scale, tolerance, maxIterations);
    }

    /// <summary><c>L (x) R</c>, valid as long as this object.</summary>
    public LinearOperator ToOperator() => new KroneckerOperator(_left ??= new MatrixOperator(Left), _right ??= new MatrixOperator(Right));

    /// <inheritdoc/>
    public void Dispose()
    {
        _left?.Dispose();
        _right?.Dispose();
        Left.Dispose();
        Right.Dispose();
    }

    /// <summary><c>sum_n X_n S X_n^T</c>, for X <c>[N, p, q]</c> and S <c>[q, q]</c>: one product of the X_n side by side.</summary>
    internal static Tensor SecondMoment(Tensor X, Tensor S)
    {
        (long n, long p, long q) = (X.shape[0], X.shape[1], X.shape[2]);
        Tensor XS = X.reshape(n * p, q).mm(S).reshape(n, p, q);
        return XS.permute(1, 0, 2).reshape(p, n * q).mm(X.permute(1, 0, 2).reshape(p, n * q).t());
    }

    /// <summary>The largest entry's size, 1 where all are zero: divided by it, squares and products of squares stay in the range of float32.</summary>
    private static double Largest(Tensor x) => x.abs().max().ToDouble() is var largest && largest > 0 ? largest : double.IsNaN(largest) ? largest : 1;

    /// <summary>The pair nearest to a matrix of Frobenius norm <paramref name="norm"/>, times <paramref name="scale"/>, of which each factor gets the root.</summary>
    private static KroneckerPair Iterate(
        Func<Tensor, Tensor> left, Func<Tensor, Tensor> right, Tensor R, double norm, double scale, double tolerance, int maxIterations)
    {
        if (!double.IsFinite(norm))
        {
            throw new NonFiniteException("The matrix or the gradients hold NaN or infinity: there is no nearest Kronecker product.");
        }

        Tensor L = left(R).div(Math.Pow(Precision.Norm(R), 2));
        double size = 0;
        bool converged = false;
        int steps = 1;
        while (!converged && steps < maxIterations && Precision.Norm(L) > 0)
        {
            R = right(L).div(Math.Pow(Precision.Norm(L), 2));
            L = left(R).div(Math.Pow(Precision.Norm(R), 2));
            steps += 2;
            double now = Precision.Norm(L) * Precision.Norm(R);
            converged = Math.Abs(now - size) <= tolerance * now;
            size = now;
        }

        // L is the least-squares factor for R, so |M - L (x) R|^2 = |M|^2 - |L (x) R|^2.
        double rest = Math.Max(0, (norm * norm) - (size * size));
        (L, R) = (L.mul(Math.Sqrt(scale)), R.mul(Math.Sqrt(scale)));
        return new KroneckerPair(L, R, norm > 0 ? Math.Sqrt(rest) / norm : 0, steps, converged || norm == 0);
    }
}
