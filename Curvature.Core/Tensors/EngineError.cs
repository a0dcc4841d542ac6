namespace Curvature.Tensors;

/// <summary>The part of an engine's error message that a person needs.</summary>
public static class EngineError
{
    /// <summary>
    /// The last <c>RuntimeError:</c> line of a TorchScript error (its first line says only that something failed), else the first line:
    /// what follows it is a native stack.
    /// </summary>
    public static string Summary(Exception error)
    {
        string[] lines = error.Message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        const string Marker = "RuntimeError:";
        string? runtimeError = lines.LastOrDefault(line => line.StartsWith(Marker, StringComparison.Ordinal) && line.Length > Marker.Length);
        return runtimeError is null ? lines.FirstOrDefault() ?? error.GetType().Name : runtimeError[Marker.Length..].Trim();
    }
}
