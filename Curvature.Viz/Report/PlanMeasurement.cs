using Curvature.Quant.Planning;
using Curvature.Quant.Sensitivity;

namespace Curvature.Viz.Report;

/// <summary>What was measured for a plan: sensitivities, and how the network does under it.</summary>
public sealed record PlanMeasurement
{
    /// <summary>The samples' name.</summary>
    public required string DataName { get; init; }

    /// <summary>The held-out samples' name; null without.</summary>
    public string? TestName { get; init; }

    /// <summary>The loss function's name.</summary>
    public required string LossName { get; init; }

    /// <summary>The sensitivity, one of <see cref="KnownSensitivities.Names"/>.</summary>
    public required string Sensitivity { get; init; }

    /// <summary>What makes a sensitivity an increase of the loss: <see cref="ISensitivity.IncreaseFactor"/>.</summary>
    public required double? IncreaseFactor { get; init; }

    /// <summary>What the loss is foretold to rise by under the plan; null where the sensitivity only ranks.</summary>
    public required double? Predicted { get; init; }

    /// <summary>Samples that sensitivities were measured on.</summary>
    public required long Samples { get; init; }

    /// <summary>Bits of the layers' inputs under plans; null: floating point.</summary>
    public PlanInputs? Inputs { get; init; }

    /// <summary>In floating point.</summary>
    public required PlanQuality Baseline { get; init; }

    /// <summary>Under plans, the chosen one first.</summary>
    public required IReadOnlyList<PlanQuality> Plans { get; init; }

    /// <summary>The increase of the loss with one layer alone quantized, on the samples of the sensitivities.</summary>
    public required LayerTable Increases { get; init; }

    /// <summary>How alike the sensitivity and <see cref="Increases"/> rank the layers, by width.</summary>
    public required IReadOnlyList<(int Bits, KendallTau Tau)> Ranks { get; init; }

    /// <summary>Layers in the order to fine-tune them in, with the number that orders them.</summary>
    public required IReadOnlyList<(string Layer, double Value)> FineTuning { get; init; }

    /// <summary>Whether <see cref="FineTuning"/> is by HAWQ-V1's Omega, top eigenvalue times squared error, rather than by sensitivity.</summary>
    public bool OrderedByOmega { get; init; }
}
