namespace Curvature.Quant.Calibration;

/// <summary>A layer has been calibrated.</summary>
/// <param name="Layer">Its path.</param>
/// <param name="Bits">Bits of its weight.</param>
/// <param name="Done">How many are done.</param>
/// <param name="Total">Of how many.</param>
/// <param name="StartError">Mean squared error of its outputs when it was rounded.</param>
/// <param name="Error">The same now.</param>
public sealed record AdaQuantProgress(string Layer, int Bits, int Done, int Total, double StartError, double Error);
