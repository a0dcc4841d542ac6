namespace Curvature.Krylov;

/// <summary>An iteration fell short of its tolerance where the result is needed to it; the message has the numbers and the remedy.</summary>
public sealed class NotConvergedException : CurvatureException
{
    /// <summary>An error with no message; prefer the overload that says what fell short.</summary>
    public NotConvergedException()
    {
    }

    /// <param name="message">What fell short, by how much, and the remedy.</param>
    public NotConvergedException(string message) : base(message)
    {
    }

    /// <param name="message">What fell short, by how much, and the remedy.</param>
    /// <param name="innerException">The error below it.</param>
    public NotConvergedException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
