using System.Buffers;
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

    /// <summary>Rows worked on at once: streams enough to keep the memory busy, and few trips of the vector through the second-level cache.</summary>
    private const int Together = 8;

    /// <summary><c>G x</c> for contiguous x on the CPU, of float64 or of the storage type.</summary>
    public double[] Products(Tensor x)
    {
        double[] products = new double[rows.Length];
        int threads = get_num_threads(), together = Math.Clamp((rows.Length + threads - 1) / threads, 1, Together); // no thread without rows
        int groups = (rows.Length + together - 1) / together, share = threads == 1 ? groups : (groups + (4 * threads) - 1) / (4 * threads);
        ForEach((groups + share - 1) / share, threads, part =>
        {
            double[] room = ArrayPool<double>.Shared.Rent(Stretch);
            for (int first = 0; first < columns; first += Stretch)
            {
                int length = Math.Min(Stretch, columns - first);
                ReadOnlySpan<double> piece = x.dtype == ScalarType.Float64 ? Numbers<double>(x).Slice(first, length) : Widened(Numbers<T>(x).Slice(first, length), room);
                for (int group = part * share; group < Math.Min(groups, (part + 1) * share); group++)
                {
                    AddDots(group * together, Math.Min((group + 1) * together, rows.Length) - 1, first, piece, products);
                }
            }

            ArrayPool<double>.Shared.Return(room);
        });
        return products;
    }

    /// <summary><c>y + G^T w</c> into contiguous y on the CPU, of float64 or float32: it is rounded once.</summary>
    public void AddCombination(double[] w, Tensor y)
    {
        int[] used = [.. Enumerable.Range(0, rows.Length).Where(j => w[j] != 0)];
        int threads = get_num_threads(), stretch = Math.Clamp((columns + (2 * threads) - 1) / (2 * threads), 1024, Stretch);
        ForEach((columns + stretch - 1) / stretch, threads, part =>
        {
            int first = part * stretch, length = Math.Min(stretch, columns - first);
            double[] room = ArrayPool<double>.Shared.Rent(stretch);
            Span<double> piece = y.dtype == ScalarType.Float64 ? Numbers<double>(y).Slice(first, length) : WideningPasses<float, FromFloat32>.Widened(Numbers<float>(y).Slice(first, length), room);
            for (int k = 0; k < used.Length; k += Together)
            {
                AddRows(used.AsSpan(k, Math.Min(Together, used.Length - k)), w, first, piece);
            }

            if (y.dtype != ScalarType.Float64)
            {
                Round(piece, Numbers<float>(y).Slice(first, length));
            }

            ArrayPool<double>.Shared.Return(room);
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

    /// <summary>Adds the products of up to eight rows with a piece of x to theirs; the last one stands in for the missing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // a pass is long enough to be slow the first time
    private void AddDots(int row, int last, int first, ReadOnlySpan<double> x, double[] products)
    {
        ref T g0 = ref First(row, first), g1 = ref First(Math.Min(row + 1, last), first), g2 = ref First(Math.Min(row + 2, last), first), g3 = ref First(Math.Min(row + 3, last), first);
        ref T g4 = ref First(Math.Min(row + 4, last), first), g5 = ref First(Math.Min(row + 5, last), first), g6 = ref First(Math.Min(row + 6, last), first), g7 = ref First(Math.Min(row + 7, last), first);
        ref double from = ref MemoryMarshal.GetReference(x);
        (Vector256<double>, Vector256<double>) s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
        nuint i = 0, length = (nuint)x.Length;
        for (; i + 8 <= length; i += 8)
        {
            Vector256<double> lower = Vector256.LoadUnsafe(ref from, i), upper = Vector256.LoadUnsafe(ref from, i + 4);
            s0 = Add(ref g0, i, lower, upper, s0);
            s1 = Add(ref g1, i, lower, upper, s1);
            s2 = Add(ref g2, i, lower, upper, s2);
            s3 = Add(ref g3, i, lower, upper, s3);
            s4 = Add(ref g4, i, lower, upper, s4);
            s5 = Add(ref g5, i, lower, upper, s5);
            s6 = Add(ref g6, i, lower, upper, s6);
            s7 = Add(ref g7, i, lower, upper, s7);
        }

        ReadOnlySpan<double> sums = [Sum(s0), Sum(s1), Sum(s2), Sum(s3), Sum(s4), Sum(s5), Sum(s6), Sum(s7)];
        for (int k = 0; row + k <= last; k++)
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

    /// <summary>Adds up to eight rows, weighted, to a piece of y: one trip of y through the registers. Missing rows weigh nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddRows(ReadOnlySpan<int> used, double[] w, int first, Span<double> y)
    {
        Span<double> weights = stackalloc double[Together];
        for (int k = 0; k < used.Length; k++)
        {
            weights[k] = w[used[k]];
        }

        int last = used.Length - 1;
        ref T g0 = ref First(used[0], first), g1 = ref First(used[Math.Min(1, last)], first), g2 = ref First(used[Math.Min(2, last)], first), g3 = ref First(used[Math.Min(3, last)], first);
        ref T g4 = ref First(used[Math.Min(4, last)], first), g5 = ref First(used[Math.Min(5, last)], first), g6 = ref First(used[Math.Min(6, last)], first), g7 = ref First(used[last], first);
        Vector256<double> v0 = Vector256.Create(weights[0]), v1 = Vector256.Create(weights[1]), v2 = Vector256.Create(weights[2]), v3 = Vector256.Create(weights[3]);
        Vector256<double> v4 = Vector256.Create(weights[4]), v5 = Vector256.Create(weights[5]), v6 = Vector256.Create(weights[6]), v7 = Vector256.Create(weights[7]);
        ref double sum = ref MemoryMarshal.GetReference(y);
        nuint i = 0, length = (nuint)y.Length;
        for (; i + 8 <= length; i += 8)
        {
            (Vector256<double> Lower, Vector256<double> Upper) eight = (Vector256.LoadUnsafe(ref sum, i), Vector256.LoadUnsafe(ref sum, i + 4));
            eight = Add(ref g0, i, v0, v0, eight);
            eight = Add(ref g1, i, v1, v1, eight);
            eight = Add(ref g2, i, v2, v2, eight);
            eight = Add(ref g3, i, v3, v3, eight);
            eight = Add(ref g4, i, v4, v4, eight);
            eight = Add(ref g5, i, v5, v5, eight);
            eight = Add(ref g6, i, v6, v6, eight);
            eight = Add(ref g7, i, v7, v7, eight);
            eight.Lower.StoreUnsafe(ref sum, i);
            eight.Upper.StoreUnsafe(ref sum, i + 4);
        }

        for (; i < length; i++)
        {
            // Fused here too, so that no bit depends on where a piece ends.
            ref double entry = ref Unsafe.Add(ref sum, i);
            for (int k = 0; k <= last; k++)
            {
                entry = Math.FusedMultiplyAdd(TLoad.One(Unsafe.Add(ref First(used[k], first), i)), weights[k], entry);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<double> Lower, Vector256<double> Upper) Add(
        ref T row, nuint at, Vector256<double> lower, Vector256<double> upper, (Vector256<double> Lower, Vector256<double> Upper) sum)
    {
        (Vector256<double> l, Vector256<double> u) = TLoad.Eight(ref row, at);
        return (Vector256.FusedMultiplyAdd(l, lower, sum.Lower), Vector256.FusedMultiplyAdd(u, upper, sum.Upper));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static double Sum((Vector256<double> Lower, Vector256<double> Upper) sum) => Vector256.Sum(sum.Lower + sum.Upper);

    private static Span<TNumber> Numbers<TNumber>(Tensor vector) where TNumber : unmanaged => MemoryMarshal.Cast<byte, TNumber>(vector.bytes);

    /// <summary>Stored numbers in float64, in a room that is large enough.</summary>
    private static Span<double> Widened(ReadOnlySpan<T> stored, double[] room)
    {
        ref T from = ref MemoryMarshal.GetReference(stored);
        ref double to = ref MemoryMarshal.GetArrayDataReference(room);
        nuint i = 0, length = (nuint)stored.Length;
        for (; i + 8 <= length; i += 8)
        {
            (Vector256<double> lower, Vector256<double> upper) = TLoad.Eight(ref from, i);
            lower.StoreUnsafe(ref to, i);
            upper.StoreUnsafe(ref to, i + 4);
        }

        for (; i < length; i++)
        {
            Unsafe.Add(ref to, i) = TLoad.One(Unsafe.Add(ref from, i));
        }

        return room.AsSpan(0, stored.Length);
    }

    private static void Round(ReadOnlySpan<double> sums, Span<float> y)
    {
        ref double from = ref MemoryMarshal.GetReference(sums);
        ref float to = ref MemoryMarshal.GetReference(y);
        nuint i = 0, length = (nuint)y.Length;
        for (; i + 8 <= length; i += 8)
        {
            Vector256.Narrow(Vector256.LoadUnsafe(ref from, i), Vector256.LoadUnsafe(ref from, i + 4)).StoreUnsafe(ref to, i);
        }

        for (; i < length; i++)
        {
            Unsafe.Add(ref to, i) = (float)Unsafe.Add(ref from, i);
        }
    }

    private ref T First(int row, int column) => ref MemoryMarshal.Cast<byte, T>(rows[row].bytes)[column];
}
