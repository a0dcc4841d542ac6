namespace Curvature.Sharpness;

/// <summary>The catalogue of update rules: a new one is one line here.</summary>
public static class KnownUpdateRules
{
    /// <summary>Every rule.</summary>
    public static IReadOnlyList<UpdateRule> All { get; } =
    [
        new("sgd", "SGD", 0, false, StableRates.HeavyBall),
        new("nesterov", "SGD with Nesterov's momentum", 0.9, false, StableRates.Nesterov),
        new("adam", "Adam", 0.9, true, StableRates.Adam),
        new("adamw", "AdamW", 0.9, true, StableRates.Adam),
        new("rmsprop", "RMSprop", 0, true, StableRates.HeavyBall),
    ];

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Select(rule => rule.Name)];

    /// <summary>The rule of a name.</summary>
    /// <exception cref="CurvatureException">There is none; the message lists them.</exception>
    public static UpdateRule Named(string name) => All.FirstOrDefault(rule => rule.Name == name)
        ?? throw new CurvatureException($"Update rule '{name}': expected one of {string.Join(", ", Names)}.");
}
