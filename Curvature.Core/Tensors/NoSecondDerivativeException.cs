namespace Curvature.Tensors;

/// <summary>An operator of the model cannot be differentiated twice; the message names it and the way round.</summary>
public sealed class NoSecondDerivativeException : CurvatureException
{
    /// <summary>An error with no message; prefer the overload that names the operator.</summary>
    public NoSecondDerivativeException()
    {
    }

    /// <param name="message">The operator and the remedy.</param>
    public NoSecondDerivativeException(string message) : base(message)
    {
    }

    /// <param name="message">The operator and the remedy.</param>
    /// <param name="innerException">The engine's own error.</param>
    public NoSecondDerivativeException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
