using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tensors;

/// <summary>Distribution of a random probe's entries.</summary>
public enum ProbeKind
{
    /// <summary>Independent signs, +1 or -1 with equal odds: the least variance of a quadratic form among independent entries.</summary>
    Rademacher,

    /// <summary>Independent standard normal entries: no preferred direction.</summary>
    Gaussian,

    /// <summary>Uniform on the sphere of radius <c>sqrt(P)</c>: no preferred direction, and no variance from the length.</summary>
    Sphere,
}

/// <summary>
/// Seeded random vectors. Column <c>j</c> depends on (seed, j) alone, never on how many are drawn together: chunking and more probes
/// leave the earlier ones as they were. The global random state is not touched.
/// </summary>
public static class Probes
{
    /// <summary>Columns <c>first .. first + count - 1</c> of an endless random matrix, <c>[dimension, count]</c>, in the caller's scope.</summary>
    public static Tensor Draw(ProbeKind kind, long dimension, int first, int count, int seed, ScalarType dtype, Device device)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = empty([count, dimension], dtype, device);
        for (int j = 0; j < count; j++)
        {
            using Generator generator = new(Mix(seed, first + j), device);
            Tensor row = rows.select(0, j);
            if (kind == ProbeKind.Rademacher)
            {
                row.bernoulli_(0.5, generator).mul_(2).sub_(1);
            }
            else
            {
                row.normal_(0, 1, generator);
            }

            if (kind == ProbeKind.Sphere)
            {
                row.div_(Precision.RowNorms(row)).mul_(Math.Sqrt(dimension));
            }
        }

        return rows.t().MoveToOuterDisposeScope();
    }

    /// <summary>The generator seed of a draw that depends on (seed, batch, sample) alone.</summary>
    public static ulong SeedOf(int seed, int batch, int sample) => Mix(Mix(seed, batch) ^ ((ulong)(uint)sample << 1));

    /// <summary>A well-mixed 63-bit seed of a (seed, index) pair (Steele, Lea, Flood 2014, SplitMix64 finaliser).</summary>
    private static ulong Mix(int seed, int index) => Mix(((ulong)(uint)seed << 32) | (uint)index);

    private static ulong Mix(ulong index)
    {
        ulong z = index + 0x9E3779B97F4A7C15UL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return (z ^ (z >> 31)) >> 1;
    }
}
