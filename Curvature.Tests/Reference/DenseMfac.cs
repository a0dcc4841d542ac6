using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tests.Reference;

/// <summary>M-FAC's matrix and its inverse from their definitions.</summary>
internal static class DenseMfac
{
    /// <summary><c>lambda I + (1/divisor) G^T G</c> with its off-diagonal blocks of B columns set to zero, <c>[d, d]</c> in float64.</summary>
    public static Tensor Matrix(Tensor gradients, double lambda, long? block = null, double? divisor = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor G = gradients.to(ScalarType.Float64);
        long d = G.shape[1];
        Tensor of = arange(d, ScalarType.Int64, device: Here).div(block ?? d, RoundingMode.floor);
        Tensor within = of.unsqueeze(1).eq(of.unsqueeze(0)).to(ScalarType.Float64);
        return G.t().mm(G).div(divisor ?? G.shape[0]).mul(within).add(eye(d, dtype: ScalarType.Float64, device: Here).mul(lambda)).MoveToOuterDisposeScope();
    }

    public static Tensor Inverse(Tensor gradients, double lambda, long? block = null, double? divisor = null)
    {
        using Tensor F = Matrix(gradients, lambda, block, divisor);
        return linalg.inv(F);
    }

    /// <summary><c>F^{-1} x = x/lambda - G^T (m lambda I + G G^T)^{-1} G x / lambda</c> in float64, for windows too wide for a dense matrix.</summary>
    public static Tensor Product(Tensor gradients, double lambda, Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor G, Tensor v) = (gradients.to(ScalarType.Float64), x.to(ScalarType.Float64));
        Tensor K = G.mm(G.t()).add(eye(G.shape[0], dtype: ScalarType.Float64, device: Here).mul(G.shape[0] * lambda));
        return v.sub(G.t().mv(linalg.solve(K, G.mv(v).unsqueeze(1)).squeeze(1))).div(lambda).MoveToOuterDisposeScope();
    }

    /// <summary>The paper's recursion, <c>v_i = g_i/lambda - sum_{k&lt;i} v_k (v_k^T g_i)/(m + q_k)</c>, <c>q_i = g_i^T v_i</c>, and <c>F^{-1} x = x/lambda - sum_i v_i (v_i^T x)/(m + q_i)</c>.</summary>
    public static Tensor ByRecursion(Tensor gradients, double lambda, Tensor x)
    {
        using DisposeScope scope = NewDisposeScope();
        long m = gradients.shape[0];
        List<(Tensor V, double Q)> known = [];
        Tensor Without(Tensor y, Tensor rest) => known.Aggregate(rest, (sum, k) => sum.sub(k.V.mul(k.V.dot(y).ToDouble() / (m + k.Q))));
        for (long i = 0; i < m; i++)
        {
            Tensor g = gradients.select(0, i), v = Without(g, g.div(lambda));
            known.Add((v, g.dot(v).ToDouble()));
        }

        return Without(x, x.div(lambda)).MoveToOuterDisposeScope();
    }
}
