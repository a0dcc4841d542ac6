using Curvature.Quant.Quantizers;

namespace Curvature.Quant.Calibration;

/// <summary>How the ranges of layers' inputs are found, and which grids span them.</summary>
public sealed record ActivationOptions
{
    /// <summary>How extremes come together where the range is <see cref="MinMaxRange"/>.</summary>
    /// <value>Over everything seen.</value>
    public ActivationExtremes Extremes { get; init; } = ActivationExtremes.All;

    /// <summary>m of <see cref="ActivationExtremes.RunningMean"/>, from 0 up to 1.</summary>
    /// <value>0.95, HAWQ's.</value>
    public double Momentum { get; init; } = 0.95;

    /// <summary>
    /// What a grid spans: <see cref="MinMaxRange"/> all between the extremes; any other range (<see cref="PercentileRange"/>, <see cref="LeastSquaresRange"/>) is fitted to
    /// <see cref="ValuesPerBatch"/> values that each call of the layer draws at random, zeros among them as often as they come, thinned out evenly where there are more than 16,384.
    /// </summary>
    /// <value>Least squared error: at 4 bits and below it is worth more than any other choice here.</value>
    public IQuantizationRange Range { get; init; } = new LeastSquaresRange();

    /// <summary>Values drawn from each call's input, with replacement.</summary>
    /// <value>4096.</value>
    public int ValuesPerBatch { get; init; } = 4096;

    /// <summary>Seed of the draws.</summary>
    public ulong Seed { get; init; }

    /// <summary>The quantizer for a width and the smallest value seen; its own range is not used. Null: <see cref="Hawq"/>.</summary>
    public Func<int, double, Quantizer>? Quantizer { get; init; }

    /// <summary>
    /// HAWQ-V3's convention, per tensor: symmetric with signed codes at 8 bits; below, unsigned with zero point 0 where no value is negative (what comes out of a ReLU), and affine with a zero point where some are.
    /// </summary>
    public static Quantizer Hawq(int bits, double smallest) =>
        bits == 8 || smallest >= 0 ? Quantizers.Quantizer.HawqActivations(bits) : Quantizers.Quantizer.HawqActivations(bits) with { Symmetric = false };

    internal void Check()
    {
        if (Momentum is not (>= 0 and < 1) || ValuesPerBatch < 1)
        {
            throw new CurvatureException($"Expected a momentum from 0 up to 1 and at least one value a batch, got {Momentum} and {ValuesPerBatch}.");
        }
    }
}
