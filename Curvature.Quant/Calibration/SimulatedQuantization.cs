using Curvature.Quant.Quantizers;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary><c>Q(x)</c> of a grid that all entries share, by tensor operations on x's device in x's dtype.</summary>
internal static class SimulatedQuantization
{
    /// <summary>
    /// <c>s clamp(round(x / s), lowest - zero, highest - zero)</c>, ties to even: in float64 the very numbers of <see cref="AffineCodes"/>. Where a gradient flows through x it passes straight through
    /// what is not clipped, and what is clipped stops it (Bengio, Léonard, Courville 2013).
    /// </summary>
    public static Tensor Of(Tensor x, AffineCodes grid)
    {
        if (!is_grad_enabled() || !x.requires_grad)
        {
            return Rounded(x, grid, out _);
        }

        Tensor inside, q;
        using (no_grad())
        {
            q = Rounded(x, grid, out Tensor steps);
            inside = Steps(q, grid.Scale).eq(steps).to(x.dtype);
        }

        return q.add(inside.mul(x.sub(x.detach())));
    }

    private static Tensor Rounded(Tensor x, AffineCodes grid, out Tensor steps)
    {
        steps = Steps(x, grid.Scale);
        return steps.clamp(grid.Lowest - grid.Zero, grid.Highest - grid.Zero).mul_(grid.Scale);
    }

    /// <summary><c>round(x / s)</c>. CUDA divides by a number as it multiplies by its reciprocal, and ties fall to the other side; by a tensor it divides. In half precision a tensor would round the scale, which matters more.</summary>
    private static Tensor Steps(Tensor x, double scale)
    {
        if (x.dtype is not (ScalarType.Float32 or ScalarType.Float64))
        {
            return x.div(scale).round();
        }

        using Tensor divisor = full(1, scale, x.dtype, x.device);
        return x.div(divisor).round();
    }
}
