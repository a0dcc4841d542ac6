using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>Settings of a loss; those that a loss does not know must be left at their defaults.</summary>
public sealed record LossOptions
{
    /// <value>Mean (default) or sum over the terms.</value>
    public Reduction Reduction { get; init; } = Reduction.Mean;

    /// <value>Cross-entropy: a label whose terms are left out. Default: none.</value>
    public long? IgnoreIndex { get; init; }

    /// <value>Cross-entropy: share of the target spread evenly over all classes, in [0, 1). Default 0.</value>
    public double LabelSmoothing { get; init; }

    /// <value>Cross-entropy: one weight per class, <c>[C]</c>, not negative. Default: all 1. Stays the caller's to dispose.</value>
    public Tensor? ClassWeights { get; init; }
}
