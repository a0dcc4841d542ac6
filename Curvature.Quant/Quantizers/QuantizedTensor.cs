using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Quantizers;

/// <summary>A tensor as codes and grids. It owns nothing but managed memory; tensors it makes belong to the caller.</summary>
public sealed class QuantizedTensor
{
    private readonly int[] _codes;
    private readonly long[] _shape;
    private readonly ScalarType _type;
    private readonly Device _device;

    internal QuantizedTensor(int[] codes, long[] shape, IReadOnlyList<AffineCodes> channels, double squaredError, ScalarType type, Device device) =>
        (_codes, _shape, Channels, SquaredError, _type, _device) = (codes, shape, channels, squaredError, type, device);

    /// <summary>The grid of each channel, or the one of all.</summary>
    public IReadOnlyList<AffineCodes> Channels { get; }

    /// <summary><c>|Q(x) - x|^2</c>, summed over all entries, in float64.</summary>
    public double SquaredError { get; }

    /// <summary>The codes in the tensor's shape, int32 on the CPU.</summary>
    public Tensor Codes()
    {
        using DisposeScope scope = NewDisposeScope();
        return tensor(_codes).reshape(_shape).MoveToOuterDisposeScope();
    }

    /// <summary>What the codes stand for, <c>Q(x)</c>, in the shape, dtype and on the device of x.</summary>
    public Tensor Dequantize()
    {
        int each = _codes.Length / Channels.Count;
        double[] values = new double[_codes.Length];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Channels[i / each].Value(_codes[i]);
        }

        using DisposeScope scope = NewDisposeScope();
        return tensor(values, ScalarType.Float64).reshape(_shape).to(_type).to(_device).MoveToOuterDisposeScope();
    }
}
