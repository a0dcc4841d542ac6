namespace Curvature.Quant.Planning;

/// <summary>No plan keeps the limits. The message says what the table's plans cost, the least and the most.</summary>
public sealed class InfeasibleLimitException : CurvatureException
{
    /// <summary>An error with no message; prefer the overloads that say what to do.</summary>
    public InfeasibleLimitException()
    {
    }

    /// <param name="message">The limit and the feasible range.</param>
    public InfeasibleLimitException(string message) : base(message)
    {
    }

    /// <param name="message">The limit and the feasible range.</param>
    /// <param name="innerException">The error below it.</param>
    public InfeasibleLimitException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
