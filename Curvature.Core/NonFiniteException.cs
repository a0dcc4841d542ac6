namespace Curvature;

/// <summary>A loss, weight, input or product is NaN or infinite; the message names where it first appeared.</summary>
public sealed class NonFiniteException : CurvatureException
{
    /// <summary>An error with no message; prefer the overload that says where.</summary>
    public NonFiniteException()
    {
    }

    /// <param name="message">What is not finite, where, and the remedy.</param>
    public NonFiniteException(string message) : base(message)
    {
    }

    /// <param name="message">What is not finite, where, and the remedy.</param>
    /// <param name="innerException">The error below it.</param>
    public NonFiniteException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
