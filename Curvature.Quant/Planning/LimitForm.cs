namespace Curvature.Quant.Planning;

/// <summary>How a <see cref="Limit"/> is given.</summary>
internal enum LimitForm
{
    Absolute,
    Share,
    Interpolated,
    AverageBits,
    Compression,
}
