namespace Curvature.Quant.Calibration;

/// <summary>What the layers see while one after the other is calibrated.</summary>
public enum AdaQuantVariant
{
    /// <summary>Every layer sees the inputs that it has in the network in floating point: layers do not depend on each other.</summary>
    Parallel,

    /// <summary>Every layer sees what the calibrated layers before it make, and is to give what it gave in floating point: it makes up for their errors.</summary>
    Sequential,
}
