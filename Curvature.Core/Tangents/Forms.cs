using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>Inner products of k pairs of tensors.</summary>
internal static class Forms
{
    /// <summary>Entries that one inner product in the tensors' own precision may have.</summary>
    private const long Stretch = 1 << 14;

    /// <summary>
    /// <c>x_j . y_j</c> for <c>[k, ...]</c> each: <c>[k]</c> in float64, in the caller's scope. Stretches are summed in the tensors' own precision and their sums in float64: one pass without temporaries on the CPU.
    /// </summary>
    public static Tensor Of(Tensor x, Tensor y)
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor X, Tensor Y) = (x.reshape(x.shape[0], -1), y.reshape(y.shape[0], -1));
        return (x.device.type == DeviceType.CPU ? Dots(X, Y) : X.mul(Y).sum(dim: 1, type: ScalarType.Float64)).MoveToOuterDisposeScope();
    }

    private static Tensor Dots(Tensor X, Tensor Y)
    {
        (long k, long entries) = (X.shape[0], X.shape[1]);
        List<Tensor> dots = [];
        for (long j = 0; j < k; j++)
        {
            (Tensor x, Tensor y) = (X.select(0, j), Y.select(0, j));
            for (long first = 0; first < entries; first += Stretch)
            {
                long count = Math.Min(Stretch, entries - first);
                dots.Add(x.narrow(0, first, count).dot(y.narrow(0, first, count)));
            }
        }

        return dots.Count == 0 ? zeros(k, ScalarType.Float64) : stack(dots).to(ScalarType.Float64).reshape(k, -1).sum(dim: 1);
    }
}
