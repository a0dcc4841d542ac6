namespace Curvature.Cli.Work;

/// <summary>The command line of <c>quantize</c>; see the options' descriptions.</summary>
internal sealed record QuantizeRequest
{
    /// <summary>Its loss is empty where the plan is to say it.</summary>
    public required WorkRequest Work { get; init; }

    /// <summary>The file of the plan.</summary>
    public required string Plan { get; init; }

    /// <summary>The file to write.</summary>
    public required string Out { get; init; }

    /// <summary>What is done beyond rounding: one of <see cref="QuantizedModel.Calibrations"/>.</summary>
    public string Calibration { get; init; } = QuantizedModel.None;

    /// <summary>Held-out samples to measure on beside those of <see cref="WorkRequest.Data"/>.</summary>
    public string? Test { get; init; }

    /// <summary>A file for the grids of the weights; null: none is written.</summary>
    public string? Scales { get; init; }
}
