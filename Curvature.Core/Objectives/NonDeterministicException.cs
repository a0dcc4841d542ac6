namespace Curvature.Objectives;

/// <summary>
/// Two evaluations of one objective at the same parameters differ, so there is no fixed matrix to multiply by; the message names what
/// differed.
/// </summary>
public sealed class NonDeterministicException : CurvatureException
{
    /// <summary>An error with no message; prefer the overload that names what differed.</summary>
    public NonDeterministicException()
    {
    }

    /// <param name="message">What differed, by how much, and the remedy.</param>
    public NonDeterministicException(string message) : base(message)
    {
    }

    /// <param name="message">What differed, by how much, and the remedy.</param>
    /// <param name="innerException">The error below it.</param>
    public NonDeterministicException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
