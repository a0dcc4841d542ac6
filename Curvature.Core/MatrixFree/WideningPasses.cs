using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Curvature.MatrixFree;

/// <summary>
/// The two products with a window in main memory, in float64 arithmetic at the speed of its storage: an entry is read once, in its own type, and widened in a
/// register. A conversion by the engine would write the window out again at eight bytes an entry. Every sum has one order, whatever the number of threads.
/// </summary>
/// <param name="rows">Contiguous rows on the CPU, those of the window that are filled.</param>
/// <param name="columns">d.</param>
internal sealed class WideningPasses<T, TLoad>(Tensor[] rows, int columns)
    where T : unmanaged
    where TLoad : IWideningLoad<T>
{
    /// <summary>Columns worked on at once: their float64 numbers stay in the first-level cache.</summary>
    private const int Stretch = 4096;

    /// <summary><c>G x</c>.</summary>
    public double[] Products(double[] x)
    {
        double[] products = new double[rows.Length];
        int threads = get_num_threads(), share = Math.Max(1, (rows.Length + (4 * threads) - 1) / (4 * threads));
        ForEach((rows.Length + share - 1) / share, threads, part =>
        {
            for (int first = 0; first < columns; first += Stretch)
            {
                ReadOnlySpan<double> piece = x.AsSpan(first, Math.Min(Stretch, columns - first));
                for (int j = part * share; j < Math.Min(rows.Length, (part + 1) * share); j++)
                {
                    products[j] += Dot(Entries(j, first, piece.Length), piece);
                }
            }
        });
        return products;
    }

    /// <summary><c>y + G^T w</c>, added to y.</summary>
    public void AddCombination(double[] w, double[] y)
    {
        int[] used = [.. Enumerable.Range(0, rows.Length).Where(j => w[j] != 0)];
        ForEach((columns + Stretch - 1) / Stretch, get_num_threads(), part =>
        {
            int first = part * Stretch;
            Span<double> piece = y.AsSpan(first, Math.Min(Stretch, columns - first));
            for (int k = 0; k < used.Length; k += 2)
            {
                (int a, int b) = (used[k], used[Math.Min(k + 1, used.Length - 1)]);
                AddTwo(Entries(a, first, piece.Length), w[a], Entries(b, first, piece.Length), a == b ? 0 : w[b], piece);
            }
        });
    }

    private static void ForEach(int parts, int threads, Action<int> body)
    {
        if (threads == 1 || parts == 1)
        {
            for (int part = 0; part < parts; part++)
            {
                body(part);
            }
        }
        else
        {
            Parallel.For(0, parts, new ParallelOptions { MaxDegreeOfParallelism = threads }, body);
        }
    }

    private static double Dot(ReadOnlySpan<T> g, ReadOnlySpan<double> x)
    {
        ref T entries = ref MemoryMarshal.GetReference(g);
        ref double other = ref MemoryMarshal.GetReference(x);
        (Vector256<double> a, Vector256<double> b) = (Vector256<double>.Zero, Vector256<double>.Zero);
        (Vector256<double> c, Vector256<double> d) = (Vector256<double>.Zero, Vector256<double>.Zero);
        nuint i = 0, length = (nuint)g.Length;
        for (; i + 16 <= length; i += 16)
        {
            (Vector256<double> lower, Vector256<double> upper) = TLoad.Eight(ref entries, i);
            a = Vector256.FusedMultiplyAdd(lower, Vector256.LoadUnsafe(ref other, i), a);
            b = Vector256.FusedMultiplyAdd(upper, Vector256.LoadUnsafe(ref other, i + 4), b);
            (lower, upper) = TLoad.Eight(ref entries, i + 8);
            c = Vector256.FusedMultiplyAdd(lower, Vector256.LoadUnsafe(ref other, i + 8), c);
            d = Vector256.FusedMultiplyAdd(upper, Vector256.LoadUnsafe(ref other, i + 12), d);
        }

        double sum = Vector256.Sum(a + b + (c + d));
        for (; i < length; i++)
        {
            sum += TLoad.One(g[(int)i]) * x[(int)i];
        }

        return sum;
    }

    /// <summary><c>y + a g + b h</c>: two rows for one trip of y through the registers.</summary>
    private static void AddTwo(ReadOnlySpan<T> g, double a, ReadOnlySpan<T> h, double b, Span<double> y)
    {
        ref T one = ref MemoryMarshal.GetReference(g), two = ref MemoryMarshal.GetReference(h);
        ref double sum = ref MemoryMarshal.GetReference(y);
        (Vector256<double> va, Vector256<double> vb) = (Vector256.Create(a), Vector256.Create(b));
        nuint i = 0, length = (nuint)y.Length;
        for (; i + 8 <= length; i += 8)
        {
            (Vector256<double> gl, Vector256<double> gu) = TLoad.Eight(ref one, i);
            (Vector256<double> hl, Vector256<double> hu) = TLoad.Eight(ref two, i);
            Vector256<double> lower = Vector256.FusedMultiplyAdd(gl, va, Vector256.LoadUnsafe(ref sum, i));
            Vector256<double> upper = Vector256.FusedMultiplyAdd(gu, va, Vector256.LoadUnsafe(ref sum, i + 4));
            Vector256.FusedMultiplyAdd(hl, vb, lower).StoreUnsafe(ref sum, i);
            Vector256.FusedMultiplyAdd(hu, vb, upper).StoreUnsafe(ref sum, i + 4);
        }

        for (; i < length; i++)
        {
            y[(int)i] += (a * TLoad.One(g[(int)i])) + (b * TLoad.One(h[(int)i]));
        }
    }

    private ReadOnlySpan<T> Entries(int row, int first, int count) => MemoryMarshal.Cast<byte, T>(rows[row].bytes).Slice(first, count);
}
