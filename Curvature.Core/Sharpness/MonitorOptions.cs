using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Sharpness;

/// <summary>What a <see cref="SharpnessMonitor"/> looks at, how often, and where it writes.</summary>
public sealed record MonitorOptions
{
    /// <value>A file of JSON lines to add to, a line an observation; null (default): none.</value>
    public string? Path { get; init; }

    /// <value>
    /// Steps between observations: one at every multiple. Null (default): as often as <see cref="MaxOverhead"/> allows, by the clock.
    /// </value>
    public int? Interval { get; init; }

    /// <value>
    /// Without an <see cref="Interval"/>: seconds of observations as a share of those of training. The first one, which is short, is made at once and counts; each other one is made once it is expected to fit. Default 0.05, to stay below a tenth where one takes longer than was expected.
    /// </value>
    public double MaxOverhead { get; init; } = 0.05;

    /// <value>Residual of the sharpness, relative to it, at which an observation ends; the eigenvalue's error is about its square. Default 0.02.</value>
    public double Tolerance { get; init; } = 0.02;

    /// <value>Products for the sharpness, at most: it starts from the eigenvector of the observation before, and the first one may take three times as many at an <see cref="Interval"/>, and four by the clock. Default 12.</value>
    public int MaxProducts { get; init; } = 12;

    /// <value>Probes of the trace, new ones each time; 0 leaves it out. Default 1.</value>
    public int TraceProbes { get; init; } = 1;

    /// <value>The objective over the batches of the training, for batch sharpness; null (default) leaves it out.</value>
    public Objective? Batches { get; init; }

    /// <value>Batches looked at for batch sharpness each time, the first ones. Default 8.</value>
    public int BatchCount { get; init; } = 8;

    /// <value>The learning rate at a step, for the edge of stability; null (default): unknown.</value>
    public Func<long, double>? LearningRate { get; init; }

    /// <value>The rule and momentum that the edge is of. Default: gradient descent.</value>
    public OptimizerSetting Setting { get; init; } = OptimizerSetting.Of("sgd");

    /// <value>A module to be in evaluation mode while it is observed and back afterwards, for dropout and batch norm; null (default): it is observed as it is.</value>
    public nn.Module? Evaluate { get; init; }

    /// <value>Seed of start vectors and probes.</value>
    public int Seed { get; init; }

    /// <value>The clock.</value>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
