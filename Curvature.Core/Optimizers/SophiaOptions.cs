namespace Curvature.Optimizers;

/// <summary>Hyperparameters of <see cref="SophiaH"/> and <see cref="SophiaG"/>. The presets are the settings of published codes, read there.</summary>
public sealed class SophiaOptions : CurvatureOptimizerOptions
{
    /// <summary>The decay of the gradient's mean, in [0, 1). <value>0.96.</value></summary>
    public double? Beta1 { get; set; }

    /// <summary>The decay of the curvature's mean, a refresh at a time, in [0, 1). <value>0.99.</value></summary>
    public double? Beta2 { get; set; }

    /// <summary>gamma: the smaller, the fewer entries are clipped. <value>0.01 (H), 0.05 (G).</value></summary>
    public double? Gamma { get; set; }

    /// <summary>The least denominator, above 0. <value>1e-12.</value></summary>
    public double? Epsilon { get; set; }

    /// <summary>Decoupled: a step multiplies the parameters by <c>1 - lr * WeightDecay</c>. <value>0.2.</value></summary>
    public double? WeightDecay { get; set; }

    /// <summary>Whether m is divided by <c>1 - Beta1^t</c>. <value>False.</value></summary>
    public bool? BiasCorrection { get; set; }

    /// <summary>
    /// Liuhong99/Sophia, SophiaG. Its rho is gamma: there <c>rho * bs * h</c> with bs the number of terms of a batch, which D has in it here. It adds epsilon where here it is the least denominator, and its
    /// script first refreshes after step 9.
    /// </summary>
    public static SophiaOptions OfficialG => new() { LearningRate = 1e-4, Beta1 = 0.965, Gamma = 0.04, Epsilon = 1e-15, WeightDecay = 0.1 };

    /// <summary>stanford-crfm/levanter, Sophia-H for GPT-2 small: m is bias-corrected.</summary>
    public static SophiaOptions LevanterH => new() { LearningRate = 6e-4, Gamma = 0.01, Epsilon = 1e-12, WeightDecay = 0.2, BiasCorrection = true };

    /// <summary>kozistr/pytorch_optimizer, SophiaH: its step <c>lr * clip(m / max(h, eps), p)</c> is this one with <c>gamma = p</c> and p times its learning rate and epsilon.</summary>
    public static SophiaOptions PytorchOptimizerH => new() { LearningRate = 6e-4, Gamma = 0.01, Epsilon = 1e-14, WeightDecay = 0 };

    internal static SophiaOptions DefaultsH => Defaults(gamma: 0.01);

    internal static SophiaOptions DefaultsG => Defaults(gamma: 0.05);

    /// <inheritdoc/>
    protected override double?[] Values
    {
        get => [Beta1, Beta2, Gamma, Epsilon, WeightDecay, BiasCorrection is { } flag ? (flag ? 1 : 0) : null];
        set
        {
            (Beta1, Beta2, Gamma, Epsilon, WeightDecay) = (value[0], value[1], value[2], value[3], value[4]);
            BiasCorrection = value[5] is { } flag ? flag != 0 : null;
        }
    }

    /// <inheritdoc/>
    protected internal override void Check()
    {
        base.Check();
        RequireDecays(Beta1, Beta2);
        Require(Gamma is null or >= 0, nameof(Gamma), Gamma, "a number from 0");
        Require(Epsilon is null or > 0, nameof(Epsilon), Epsilon, "above 0");
        Require(WeightDecay is null or >= 0, nameof(WeightDecay), WeightDecay, "a number from 0");
    }

    private static SophiaOptions Defaults(double gamma) =>
        new() { LearningRate = 6e-4, Beta1 = 0.96, Beta2 = 0.99, Gamma = gamma, Epsilon = 1e-12, WeightDecay = 0.2, BiasCorrection = false };
}
