namespace Curvature.Optimizers;

/// <summary>Hyperparameters of a group of <see cref="KfacOptimizer"/>. What concerns the factors, which all groups share, is in <see cref="KfacSettings"/>.</summary>
public sealed class KfacOptimizerOptions : CurvatureOptimizerOptions
{
    /// <summary>What a step keeps of the earlier directions, <c>m = b m + v</c>, in [0, 1). <value>0.9.</value></summary>
    public double? Momentum { get; set; }

    /// <summary>Decoupled: a step multiplies the parameters by <c>1 - lr * WeightDecay</c>. <value>0.</value></summary>
    public double? WeightDecay { get; set; }

    internal static KfacOptimizerOptions Defaults => new() { LearningRate = 0.1, Momentum = 0.9, WeightDecay = 0 };

    /// <inheritdoc/>
    protected override double?[] Values
    {
        get => [Momentum, WeightDecay];
        set => (Momentum, WeightDecay) = (value[0], value[1]);
    }

    /// <inheritdoc/>
    protected internal override void Check()
    {
        base.Check();
        Require(Momentum is null or (>= 0 and < 1), nameof(Momentum), Momentum, "in [0, 1)");
        Require(WeightDecay is null or >= 0, nameof(WeightDecay), WeightDecay, "a number from 0");
    }
}
