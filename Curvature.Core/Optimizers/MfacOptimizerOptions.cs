namespace Curvature.Optimizers;

/// <summary>Hyperparameters of <see cref="MfacOptimizer"/>. The default learning rate is 0.03.</summary>
public sealed class MfacOptimizerOptions : CurvatureOptimizerOptions
{
    /// <summary>The decay of the direction's mean, in [0, 1). <value>0.</value></summary>
    public double? Momentum { get; set; }

    /// <summary>Decoupled: a step multiplies the parameters by <c>1 - lr * WeightDecay</c>. <value>0.</value></summary>
    public double? WeightDecay { get; set; }

    /// <summary>A multiple of the parameters that is added to the gradient before the window sees it: the official code's weight decay. <value>0.</value></summary>
    public double? L2 { get; set; }

    /// <summary>IST-DASLab/M-FAC, the optimizer's defaults. They go with 1,024 gradients and <c>new MfacWindowOptions()</c>: damping 1e-5, divided by 1,024 from the first step on.</summary>
    public static MfacOptimizerOptions Official => new() { LearningRate = 1e-3 };

    internal static MfacOptimizerOptions Defaults => new() { LearningRate = 0.03, Momentum = 0, WeightDecay = 0, L2 = 0 };

    /// <inheritdoc/>
    protected override double?[] Values
    {
        get => [Momentum, WeightDecay, L2];
        set => (Momentum, WeightDecay, L2) = (value[0], value[1], value[2]);
    }

    /// <inheritdoc/>
    protected internal override void Check()
    {
        base.Check();
        Require(Momentum is null or (>= 0 and < 1), nameof(Momentum), Momentum, "in [0, 1)");
        Require(WeightDecay is null or >= 0, nameof(WeightDecay), WeightDecay, "a number from 0");
        Require(L2 is null or >= 0, nameof(L2), L2, "a number from 0");
    }
}
