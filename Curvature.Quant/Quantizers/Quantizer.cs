using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Quantizers;

/// <summary>
/// Rounds a tensor to grids of <c>2^Bits</c> values, in float64 on the CPU, ties to even. Symmetric grids have the code 0 for the value 0 and the scale <c>reach / n</c>: signed
/// <c>reach = max(|low|, |high|)</c>, <c>n = 2^(Bits-1) - 1</c>, codes from <c>-n - 1</c> (<see cref="Narrow"/>: -n) to n; unsigned <c>reach = high</c>, <c>n = 2^Bits - 1</c>, codes from 0, so that negative values become 0.
/// Affine grids span <c>[min(low, 0), max(high, 0)]</c> in <c>2^Bits - 1</c> steps with an integer zero point, so that 0 is exact; signed or unsigned codes give the same values.
/// Presets follow HAWQ-V3's code (Zhen-Dong/HAWQ, <c>quant_modules.py</c>).
/// </summary>
public sealed record Quantizer
{
    /// <summary>2 to 8.</summary>
    public int Bits { get; init; } = 8;

    /// <summary>Whether 0 has the code 0; otherwise affine.</summary>
    public bool Symmetric { get; init; } = true;

    /// <summary>Whether codes are signed.</summary>
    public bool HasSign { get; init; } = true;

    /// <summary>Whether each slice along the first dimension, an output channel of a weight, has a grid of its own.</summary>
    public bool PerChannel { get; init; } = true;

    /// <summary>Whether symmetric signed codes leave out the lowest, so that the grid is symmetric in itself.</summary>
    public bool Narrow { get; init; }

    /// <summary>What the grids span.</summary>
    public IQuantizationRange Range { get; init; } = new MinMaxRange();

    /// <summary>The smallest reach, or affine span; 0: none, and a channel of zeros gets the scale 1.</summary>
    public double SmallestReach { get; init; }

    /// <summary>HAWQ-V3's weights: symmetric, per output channel, scale <c>max(max |w|, 1e-8) / (2^(b-1) - 1)</c>.</summary>
    public static Quantizer HawqWeights(int bits) => new() { Bits = bits, SmallestReach = 1e-8 };

    /// <summary>HAWQ-V3's activations: per tensor; signed symmetric at 8 bits, and below unsigned with zero point 0, for what comes out of a ReLU.</summary>
    public static Quantizer HawqActivations(int bits) => new() { Bits = bits, HasSign = bits == 8, PerChannel = false, SmallestReach = 1e-8 };

    /// <summary>Quantizes a tensor of any shape and floating dtype.</summary>
    /// <exception cref="CurvatureException">The tensor is empty or not finite, has no channels where grids are per channel, or <see cref="Bits"/> is not from 2 to 8.</exception>
    public QuantizedTensor Quantize(Tensor x)
    {
        if (Bits is < 2 or > 8)
        {
            throw new CurvatureException($"Expected 2 to 8 bits, got {Bits}.");
        }

        if (x.numel() == 0 || (PerChannel && x.dim() == 0))
        {
            throw new CurvatureException($"Expected a tensor with values{(PerChannel ? " and channels along its first dimension" : "")}, got the shape [{string.Join(", ", x.shape)}].");
        }

        double[] values = Values(x);
        if (!values.All(double.IsFinite))
        {
            throw new CurvatureException($"A tensor of shape [{string.Join(", ", x.shape)}] to quantize holds values that are not finite. Look where they come from.");
        }

        int channels = PerChannel ? (int)x.shape[0] : 1, each = values.Length / channels;
        var grids = new AffineCodes[channels];
        int[] codes = new int[values.Length];
        double error = 0;
        for (int c = 0; c < channels; c++)
        {
            ReadOnlySpan<double> channel = values.AsSpan(c * each, each);
            (double low, double high) = Range.Of(channel, Grid);
            grids[c] = Grid(low, high);
            error += grids[c].SquaredError(channel);
            for (int i = 0; i < each; i++)
            {
                codes[(c * each) + i] = grids[c].Code(channel[i]);
            }
        }

        return new QuantizedTensor(codes, x.shape, grids, error, x.dtype, x.device);
    }

    /// <summary>The grid over a range.</summary>
    public AffineCodes Grid(double low, double high)
    {
        int steps = (1 << Bits) - 1, half = 1 << (Bits - 1);
        if (Symmetric && HasSign)
        {
            return new AffineCodes(Scale(Math.Max(Math.Abs(low), Math.Abs(high)), half - 1), 0, Narrow ? 1 - half : -half, half - 1);
        }

        if (Symmetric)
        {
            return new AffineCodes(Scale(Math.Max(high, 0), steps), 0, 0, steps);
        }

        (low, high) = (Math.Min(low, 0), Math.Max(high, 0));
        int lowest = HasSign ? -half : 0;
        double scale = Scale(high - low, steps);
        return new AffineCodes(scale, lowest + (int)Math.Round(-low / scale, MidpointRounding.ToEven), lowest, lowest + steps);
    }

    private double Scale(double reach, int steps) => Math.Max(reach, SmallestReach) is > 0 and var span ? span / steps : 1;

    private static double[] Values(Tensor x)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        return x.detach().reshape(-1).to(ScalarType.Float64).cpu().data<double>().ToArray();
    }
}
