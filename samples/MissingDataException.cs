namespace Curvature.Samples;

/// <summary>The sample's data set is not on this machine; the message names the package that has it.</summary>
internal sealed class MissingDataException(string message) : CurvatureException(message);
