namespace Curvature.Quant.Quantizers;

/// <summary>The grid of one channel: code c stands for <c>Scale (c - Zero)</c>, c from <paramref name="Lowest"/> to <paramref name="Highest"/>.</summary>
/// <param name="Scale">Distance of neighbouring values; above 0.</param>
/// <param name="Zero">The code of 0.</param>
/// <param name="Lowest">The smallest code.</param>
/// <param name="Highest">The largest code.</param>
public readonly record struct AffineCodes(double Scale, int Zero, int Lowest, int Highest)
{
    /// <summary>The code of the nearest value, a tie to the even multiple of the scale; what lies outside goes to the nearest end.</summary>
    public int Code(double x) => (int)Math.Clamp(Math.Round(x / Scale, MidpointRounding.ToEven) + Zero, Lowest, Highest);

    /// <summary>What a code stands for.</summary>
    public double Value(int code) => Scale * (code - Zero);

    /// <summary><c>(Q(x) - x)^2</c>, summed.</summary>
    public double SquaredError(ReadOnlySpan<double> values)
    {
        double sum = 0;
        foreach (double x in values)
        {
            double error = Value(Code(x)) - x;
            sum += error * error;
        }

        return sum;
    }
}
