namespace Curvature.Sharpness;

/// <summary>How much a finding matters to the reader.</summary>
public enum Severity
{
    /// <summary>Worth knowing.</summary>
    Info,

    /// <summary>A number may mislead, or the model deserves a look.</summary>
    Warning,

    /// <summary>A number cannot be trusted or could not be computed.</summary>
    Error,
}

/// <summary>One statement about a result, with the numbers behind it.</summary>
/// <param name="Id">Stable identifier in kebab case, e.g. <c>not-converged</c>.</param>
/// <param name="Severity">How much it matters.</param>
/// <param name="Message">One sentence for a person.</param>
/// <param name="Evidence">The numbers it rests on, by name.</param>
public sealed record Finding(string Id, Severity Severity, string Message, IReadOnlyDictionary<string, object?> Evidence)
{
    /// <summary>A finding with its evidence as name/value pairs.</summary>
    public static Finding Of(string id, Severity severity, string message, params (string Name, object? Value)[] evidence) =>
        new(id, severity, message, evidence.ToDictionary(e => e.Name, e => e.Value));
}
