namespace Curvature.Quant.Sensitivity;

/// <summary>Settings that sensitivities have where they have any.</summary>
public sealed record SensitivityOptions
{
    /// <value>Products for estimated traces. Default 64.</value>
    public int Probes { get; init; } = 64;

    /// <value>Seed of what is random.</value>
    public int Seed { get; init; }
}
