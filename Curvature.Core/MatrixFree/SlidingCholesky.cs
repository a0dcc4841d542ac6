using System.Numerics;

namespace Curvature.MatrixFree;

/// <summary>
/// The Cholesky factor <c>M = U^T U</c> of a matrix that loses its first row and column and gains a last one, in O(k^2) and float64. To lose the first is a rank-one
/// update of what remains, <c>U_22^T U_22 + u u^T</c> with u the first row's rest: a sum, which no rounding can make indefinite (Gill, Golub, Murray, Saunders 1974, Methods for
/// Modifying Matrix Factorizations). To gain a last one is a triangular solve.
/// </summary>
/// <param name="capacity">The largest k.</param>
internal sealed class SlidingCholesky(int capacity)
{
    private readonly double[] _u = new double[capacity * capacity]; // row i: U[i, i ..]
    private readonly double[] _rest = new double[capacity];

    /// <summary>k; 0: there is no factor.</summary>
    public int Size { get; private set; }

    /// <summary>All of U, row by row of <c>capacity</c> entries; those left of the diagonal and beyond k are zero or left over.</summary>
    public ReadOnlySpan<double> Entries => _u;

    /// <summary>Takes over a factor.</summary>
    /// <param name="upper">As <see cref="Entries"/>.</param>
    /// <param name="size">k.</param>
    public void Set(ReadOnlySpan<double> upper, int size)
    {
        upper.CopyTo(_u);
        Size = size;
    }

    /// <summary>Forgets the factor.</summary>
    public void Clear() => Size = 0;

    /// <summary>Drops the first row and column of M.</summary>
    public void DropFirst()
    {
        Span<double> x = _rest.AsSpan(0, Size - 1);
        Row(0, Size)[1..].CopyTo(x);
        for (int i = 0; i < Size - 1; i++)
        {
            // Row i + 1 of U_22 becomes row i: a plane rotation with x that makes x_i zero.
            ReadOnlySpan<double> from = Row(i + 1, Size);
            Span<double> to = Row(i, Size - 1);
            double length = Math.Sqrt((from[0] * from[0]) + (x[i] * x[i]));
            Rotate(from[1..], to[1..], x[(i + 1)..], from[0] / length, x[i] / length);
            to[0] = length;
        }

        Size--;
    }

    /// <summary>Adds a last row and column; false, and no factor left, where M is then not positive definite to working precision.</summary>
    /// <param name="column">The new column above the diagonal, of length k; overwritten.</param>
    /// <param name="diagonal">The new diagonal entry.</param>
    public bool Append(Span<double> column, double diagonal)
    {
        SolveTransposed(column);
        double rest = diagonal - Dot(column, column);
        if (!(rest > 0))
        {
            Clear();
            return false;
        }

        for (int i = 0; i < Size; i++)
        {
            _u[(i * capacity) + Size] = column[i];
        }

        _u[(Size * capacity) + Size] = Math.Sqrt(rest);
        Size++;
        return true;
    }

    /// <summary><c>M^{-1} b</c> in place, for b of length k.</summary>
    public void Solve(Span<double> b)
    {
        SolveTransposed(b);
        for (int i = Size - 1; i >= 0; i--)
        {
            ReadOnlySpan<double> row = Row(i, Size);
            b[i] = (b[i] - Dot(row[1..], b[(i + 1)..])) / row[0];
        }
    }

    /// <summary><c>U^{-T} b</c> in place.</summary>
    private void SolveTransposed(Span<double> b)
    {
        for (int i = 0; i < Size; i++)
        {
            ReadOnlySpan<double> row = Row(i, Size);
            b[i] /= row[0];
            if (b[i] != 0)
            {
                Add(b[(i + 1)..], -b[i], row[1..]);
            }
        }
    }

    private Span<double> Row(int i, int end) => _u.AsSpan((i * capacity) + i, end - i);

    /// <summary><c>to = c from + s x</c>, <c>x = c x - s from</c>.</summary>
    private static void Rotate(ReadOnlySpan<double> from, Span<double> to, Span<double> x, double c, double s)
    {
        int i = 0;
        for (; i + Vector<double>.Count <= x.Length; i += Vector<double>.Count)
        {
            Vector<double> f = new(from[i..]), v = new(x[i..]);
            ((f * c) + (v * s)).CopyTo(to[i..]);
            ((v * c) - (f * s)).CopyTo(x[i..]);
        }

        for (; i < x.Length; i++)
        {
            (to[i], x[i]) = ((c * from[i]) + (s * x[i]), (c * x[i]) - (s * from[i]));
        }
    }

    private static void Add(Span<double> y, double a, ReadOnlySpan<double> x)
    {
        int i = 0;
        for (; i + Vector<double>.Count <= y.Length; i += Vector<double>.Count)
        {
            (new Vector<double>(y[i..]) + (new Vector<double>(x[i..]) * a)).CopyTo(y[i..]);
        }

        for (; i < y.Length; i++)
        {
            y[i] += a * x[i];
        }
    }

    private static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        Vector<double> sum = Vector<double>.Zero;
        int i = 0;
        for (; i + Vector<double>.Count <= a.Length; i += Vector<double>.Count)
        {
            sum += new Vector<double>(a[i..]) * new Vector<double>(b[i..]);
        }

        double total = Vector.Sum(sum);
        for (; i < a.Length; i++)
        {
            total += a[i] * b[i];
        }

        return total;
    }
}
