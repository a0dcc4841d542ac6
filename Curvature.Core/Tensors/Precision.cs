using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tensors;

/// <summary>Rounding units of the floating dtypes, and sums that keep them.</summary>
internal static class Precision
{
    /// <summary>
    /// Euclidean norm. The engine's own <c>norm</c> adds up one entry after the other, which in float32 is off by 4e-4 at ten million entries
    /// and so makes unit vectors that are none; its <c>sum</c> is pairwise.
    /// </summary>
    public static double Norm(Tensor v)
    {
        using DisposeScope scope = NewDisposeScope();
        return Math.Sqrt(v.square().sum().ToDouble());
    }

    /// <summary>Inner products <c>a^T b</c> of several pairs, for one host synchronisation; see <see cref="Norm"/> for why not <c>dot</c>.</summary>
    public static double[] Dots(params ReadOnlySpan<(Tensor A, Tensor B)> pairs)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] sums = new Tensor[pairs.Length];
        for (int i = 0; i < sums.Length; i++)
        {
            sums[i] = pairs[i].A.mul(pairs[i].B).sum();
        }

        return stack(sums).to(ScalarType.Float64).cpu().data<double>().ToArray();
    }

    /// <summary>Norms along the last dimension, <c>[..., P]</c> to <c>[..., 1]</c>, in the caller's scope; see <see cref="Norm"/>.</summary>
    public static Tensor RowNorms(Tensor rows)
    {
        using DisposeScope scope = NewDisposeScope();
        return rows.square().sum(-1, keepdim: true).sqrt().MoveToOuterDisposeScope();
    }

    /// <summary><c>A^T B</c> in float64 for tall <c>A [P, k]</c> and <c>B [P, l]</c>, by stretches of rows: <c>[k, l]</c> on the CPU, in the caller's scope.</summary>
    public static Tensor Gram(Tensor a, Tensor b)
    {
        const long Stretch = 1 << 16;
        using DisposeScope scope = NewDisposeScope();
        Tensor gram = zeros([a.shape[1], b.shape[1]], ScalarType.Float64, a.device);
        for (long first = 0; first < a.shape[0]; first += Stretch)
        {
            using DisposeScope inner = NewDisposeScope();
            long count = Math.Min(Stretch, a.shape[0] - first);
            gram.add_(a.narrow(0, first, count).to(ScalarType.Float64).t().mm(b.narrow(0, first, count).to(ScalarType.Float64)));
        }

        return gram.cpu().MoveToOuterDisposeScope();
    }

    /// <summary>Distance from 1 to the next larger number.</summary>
    public static double Epsilon(ScalarType dtype) => dtype switch
    {
        ScalarType.Float64 => 2.220446049250313e-16,
        ScalarType.Float32 => 1.1920928955078125e-07,
        ScalarType.Float16 => 9.765625e-04,
        ScalarType.BFloat16 => 7.8125e-03,
        _ => throw new CurvatureException($"{dtype} is not a floating-point dtype."),
    };
}
