namespace Curvature.Optimizers;

/// <summary>Hyperparameters of a group of <see cref="MkorOptimizer"/>, those of the rule inside it. What concerns the inverses is in <see cref="MkorSettings"/>.</summary>
public sealed class MkorOptimizerOptions : CurvatureOptimizerOptions
{
    /// <summary>What a step keeps of the earlier directions, <c>m = b m + v</c>; with Adam inside the decay of their mean. In [0, 1). <value>0.9.</value></summary>
    public double? Momentum { get; set; }

    /// <summary>With Adam inside, the decay of the mean square, in [0, 1). <value>0.999.</value></summary>
    public double? Beta2 { get; set; }

    /// <summary>With Adam inside, what is added to the root of the mean square, above 0. <value>1e-8.</value></summary>
    public double? Epsilon { get; set; }

    /// <summary>Decoupled: a step multiplies the parameters by <c>1 - lr * WeightDecay</c>. <value>0.</value></summary>
    public double? WeightDecay { get; set; }

    internal static MkorOptimizerOptions Defaults => new() { LearningRate = 0.1, Momentum = 0.9, Beta2 = 0.999, Epsilon = 1e-8, WeightDecay = 0 };

    /// <inheritdoc/>
    protected override double?[] Values
    {
        get => [Momentum, Beta2, Epsilon, WeightDecay];
        set => (Momentum, Beta2, Epsilon, WeightDecay) = (value[0], value[1], value[2], value[3]);
    }

    /// <inheritdoc/>
    protected internal override void Check()
    {
        base.Check();
        Require(Momentum is null or (>= 0 and < 1), nameof(Momentum), Momentum, "in [0, 1)");
        Require(Beta2 is null or (>= 0 and < 1), nameof(Beta2), Beta2, "in [0, 1)");
        Require(Epsilon is null or > 0, nameof(Epsilon), Epsilon, "above 0");
        Require(WeightDecay is null or >= 0, nameof(WeightDecay), WeightDecay, "a number from 0");
    }
}
