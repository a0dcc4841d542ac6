using Curvature.Quant.Planning;

namespace Curvature.Cli.Work;

/// <summary>What <c>plan</c> measures on a network.</summary>
internal sealed record NetworkPlanRequest
{
    public required WorkRequest Work { get; init; }

    /// <summary>One of <see cref="Quant.Sensitivity.KnownSensitivities"/>.</summary>
    public string Sensitivity { get; init; } = "hessian";

    /// <summary>Products for estimated traces.</summary>
    public int Probes { get; init; } = 64;

    /// <summary>Whether the sensitivities' plan stands even where another within the limits is measurably better.</summary>
    public bool Unverified { get; init; }

    /// <summary>Held-out samples to measure plans on beside those of <see cref="WorkRequest.Data"/>.</summary>
    public string? Test { get; init; }

    /// <summary>Bits of the layers' inputs when plans are measured, and for bit operations; several to choose from within <see cref="ActivationLimits"/>; empty: floating point, and bit operations as if inputs had their weight's bits.</summary>
    public IReadOnlyList<int> Activations { get; init; } = [];

    /// <summary>On the size of inputs, where there are several widths.</summary>
    public IReadOnlyList<Limit> ActivationLimits { get; init; } = [];

    /// <summary>A table of what layers cost; null: what can be counted.</summary>
    public string? Layers { get; init; }
}
