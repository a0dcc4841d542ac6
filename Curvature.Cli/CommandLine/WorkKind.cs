namespace Curvature.Cli.CommandLine;

/// <summary>What a model and data are asked for, which decides what can be asked with them.</summary>
internal enum WorkKind
{
    /// <summary>A matrix to choose and a time budget to keep to.</summary>
    Measure,

    /// <summary>Neither.</summary>
    Prune,

    /// <summary>The whole network in evaluation mode, or a table in place of it.</summary>
    Plan,

    /// <summary>The whole network in evaluation mode; the loss may be the plan's.</summary>
    Quantize,
}
