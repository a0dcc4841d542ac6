using System.Runtime.InteropServices;
using Curvature.Cli.Work;
using Curvature.Tensors;

namespace Curvature.Cli.Output;

/// <summary>What went wrong, in one line for a person.</summary>
internal static class Failure
{
    /// <summary>Our own errors and the system's speak for themselves; the engine's are cut to the line that matters.</summary>
    public static string Describe(Exception exception) => exception switch
    {
        OperationCanceledException => Interruption.OfOne,
        CurvatureException or IOException or UnauthorizedAccessException => exception.Message,
        ExternalException or DllNotFoundException => EngineError.Summary(exception), // the loader says itself how to install libtorch
        NotSupportedException when exception.Message.Contains("libtorch", StringComparison.Ordinal) => EngineError.Summary(exception),
        TypeInitializationException { InnerException: { } cause } => Describe(cause),
        _ => $"this should not have happened, please report it ({exception.GetType().Name}): {EngineError.Summary(exception)}",
    };
}
