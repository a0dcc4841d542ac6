namespace Curvature;

/// <summary>
/// An error whose message is meant for the person who caused or can mend it: what was expected, what came, and the remedy.
/// The command line prints the message alone, without a stack trace.
/// </summary>
public class CurvatureException : Exception
{
    /// <summary>An error with no message; prefer the overloads that say what to do.</summary>
    public CurvatureException()
    {
    }

    /// <param name="message">What was expected, what came, what to do.</param>
    public CurvatureException(string message) : base(message)
    {
    }

    /// <param name="message">What was expected, what came, what to do.</param>
    /// <param name="innerException">The error below it.</param>
    public CurvatureException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
