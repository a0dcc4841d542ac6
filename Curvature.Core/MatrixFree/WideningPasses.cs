using System.Runtime.CompilerServices;
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
    /// <summary>
    /// Columns worked on at once: few enough that their float64 numbers stay in the second-level cache, so many that a row is read in long stretches.
    /// </summary>
    private const int Stretch = 32768;

    /// <summary>Rows worked on at once: streams enough to keep the memory busy.</summary>
    private const int Together = 4;

    /// <summary><c>G x</c> for contiguous float64 x on the CPU.</summary>
    public double[] Products(Tensor x)
    {
        double[] products = new double[rows.Length];
        int groups = (rows.Length + Together - 1) / Together, threads = get_num_threads(), share = (groups + (4 * threads) - 1) / (4 * threads);
        ForEach((groups + share - 1) / share, threads, part =>
        {
            for (int first = 0; first < columns; first += Stretch)
            {
                ReadOnlySpan<double> piece = Numbers(x).Slice(first, Math.Min(Stretch, columns - first));
                for (int group = part * share; group < Math.Min(groups, (part + 1) * share); group++)
                {
                    AddDots(group * Together, first, piece, products);
                }
            }
        });
        return products;
    }

    /// <summary><c>y + G^T w</c> into contiguous float64 y on the CPU.</summary>
    public void AddCombination(double[] w, Tensor y)
    {
        int[] used = [.. Enumerable.Range(0, rows.Length).Where(j => w[j] != 0)];
        int threads = get_num_threads(), stretch = Math.Clamp((columns + (2 * threads) - 1) / (2 * threads), 1024, Stretch);
        ForEach((columns + stretch - 1) / stretch, threads, part =>
        {
            int first = part * stretch;
            Span<double> piece = Numbers(y).Slice(first, Math.Min(stretch, columns - first));
            for (int k = 0; k < used.Length; k += Together)
            {
                AddRows(used.AsSpan(k, Math.Min(Together, used.Length - k)), w, first, piece);
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

    /// <summary>Adds the products of four rows with a piece of x to theirs; where fewer are left, the last one stands in for the missing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // a pass is long enough to be slow the first time
    private void AddDots(int row, int first, ReadOnlySpan<double> x, double[] products)
    {
        int last = rows.Length - 1;
        ref T g0 = ref First(row, first), g1 = ref First(Math.Min(row + 1, last), first);
        ref T g2 = ref First(Math.Min(row + 2, last), first), g3 = ref First(Math.Min(row + 3, last), first);
        ref double from = ref MemoryMarshal.GetReference(x);
        Vector256<double> l0 = default, l1 = default, l2 = default, l3 = default, u0 = default, u1 = default, u2 = default, u3 = default;
        nuint i = 0, length = (nuint)x.Length;
        for (; i + 8 <= length; i += 8)
        {
            Vector256<double> lower = Vector256.LoadUnsafe(ref from, i), upper = Vector256.LoadUnsafe(ref from, i + 4);
            (Vector256<double> l, Vector256<double> u) = TLoad.Eight(ref g0, i);
            (l0, u0) = (Vector256.FusedMultiplyAdd(l, lower, l0), Vector256.FusedMultiplyAdd(u, upper, u0));
            (l, u) = TLoad.Eight(ref g1, i);
            (l1, u1) = (Vector256.FusedMultiplyAdd(l, lower, l1), Vector256.FusedMultiplyAdd(u, upper, u1));
            (l, u) = TLoad.Eight(ref g2, i);
            (l2, u2) = (Vector256.FusedMultiplyAdd(l, lower, l2), Vector256.FusedMultiplyAdd(u, upper, u2));
            (l, u) = TLoad.Eight(ref g3, i);
            (l3, u3) = (Vector256.FusedMultiplyAdd(l, lower, l3), Vector256.FusedMultiplyAdd(u, upper, u3));
        }

        ReadOnlySpan<double> sums = [Vector256.Sum(l0 + u0), Vector256.Sum(l1 + u1), Vector256.Sum(l2 + u2), Vector256.Sum(l3 + u3)];
        for (int k = 0; k < Together && row + k <= last; k++)
        {
            double sum = sums[k];
            ref T g = ref First(row + k, first);
            for (nuint j = i; j < length; j++)
            {
                sum += TLoad.One(Unsafe.Add(ref g, j)) * Unsafe.Add(ref from, j);
            }

            products[row + k] += sum;
        }
    }

    /// <summary>Adds up to four rows, weighted, to a piece of y: one trip of y through the registers. Missing rows weigh nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddRows(ReadOnlySpan<int> used, double[] w, int first, Span<double> y)
    {
        (int a, int b, int c, int d) = (used[0], used[Math.Min(1, used.Length - 1)], used[Math.Min(2, used.Length - 1)], used[^1]);
        (double wa, double wb, double wc, double wd) = (w[a], used.Length > 1 ? w[b] : 0, used.Length > 2 ? w[c] : 0, used.Length > 3 ? w[d] : 0);
        (Vector256<double> va, Vector256<double> vb) = (Vector256.Create(wa), Vector256.Create(wb));
        (Vector256<double> vc, Vector256<double> vd) = (Vector256.Create(wc), Vector256.Create(wd));
        ref T ga = ref First(a, first), gb = ref First(b, first), gc = ref First(c, first), gd = ref First(d, first);
        ref double sum = ref MemoryMarshal.GetReference(y);
        nuint i = 0, length = (nuint)y.Length;
        for (; i + 8 <= length; i += 8)
        {
            Vector256<double> lower = Vector256.LoadUnsafe(ref sum, i), upper = Vector256.LoadUnsafe(ref sum, i + 4);
            (Vector256<double> l, Vector256<double> u) = TLoad.Eight(ref ga, i);
            (lower, upper) = (Vector256.FusedMultiplyAdd(l, va, lower), Vector256.FusedMultiplyAdd(u, va, upper));
            (l, u) = TLoad.Eight(ref gb, i);
            (lower, upper) = (Vector256.FusedMultiplyAdd(l, vb, lower), Vector256.FusedMultiplyAdd(u, vb, upper));
            (l, u) = TLoad.Eight(ref gc, i);
            (lower, upper) = (Vector256.FusedMultiplyAdd(l, vc, lower), Vector256.FusedMultiplyAdd(u, vc, upper));
            (l, u) = TLoad.Eight(ref gd, i);
            (lower, upper) = (Vector256.FusedMultiplyAdd(l, vd, lower), Vector256.FusedMultiplyAdd(u, vd, upper));
            lower.StoreUnsafe(ref sum, i);
            upper.StoreUnsafe(ref sum, i + 4);
        }

        for (; i < length; i++)
        {
            // Fused here too, so that no bit depends on where a piece ends.
            ref double entry = ref Unsafe.Add(ref sum, i);
            entry = Math.FusedMultiplyAdd(TLoad.One(Unsafe.Add(ref ga, i)), wa, entry);
            entry = Math.FusedMultiplyAdd(TLoad.One(Unsafe.Add(ref gb, i)), wb, entry);
            entry = Math.FusedMultiplyAdd(TLoad.One(Unsafe.Add(ref gc, i)), wc, entry);
            entry = Math.FusedMultiplyAdd(TLoad.One(Unsafe.Add(ref gd, i)), wd, entry);
        }
    }

    private static Span<double> Numbers(Tensor vector) => MemoryMarshal.Cast<byte, double>(vector.bytes);

    private ref T First(int row, int column) => ref MemoryMarshal.Cast<byte, T>(rows[row].bytes)[column];
}
