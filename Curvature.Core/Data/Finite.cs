using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>Looks for NaN and infinity in tensors.</summary>
internal static class Finite
{
    /// <summary>
    /// True when every element is finite. A finite sum has only finite terms and costs one pass without a temporary; only a sum that is
    /// not finite (it may also have overflowed) is followed by the element-wise test.
    /// </summary>
    public static bool Everywhere(Tensor tensor)
    {
        if (!ElementTypes.IsFloating(tensor.dtype))
        {
            return true;
        }

        using IDisposable noGrad = no_grad();
        using Tensor sum = tensor.sum();
        if (double.IsFinite(sum.ToDouble()))
        {
            return true;
        }

        using Tensor finite = tensor.isfinite();
        using Tensor all = finite.all();
        return all.ToBoolean();
    }

    /// <summary>The first index along dimension 0 that holds an element which is not finite, or null.</summary>
    public static long? FirstBadRow(Tensor tensor)
    {
        if (Everywhere(tensor))
        {
            return null;
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor bad = tensor.isfinite().logical_not().reshape(tensor.shape[0], -1).any(1);
        return bad.nonzero()[0, 0].ToInt64();
    }
}
