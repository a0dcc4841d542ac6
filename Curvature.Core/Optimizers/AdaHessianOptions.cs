namespace Curvature.Optimizers;

/// <summary>Hyperparameters of <see cref="AdaHessian"/>. The presets are the settings of published codes, read there; the first column of the guide's table is the default here.</summary>
public sealed class AdaHessianOptions : CurvatureOptimizerOptions
{
    /// <summary>The decay of the gradient's mean, in [0, 1). <value>0.9.</value></summary>
    public double? Beta1 { get; set; }

    /// <summary>The decay of the mean of D squared, in [0, 1). <value>0.999.</value></summary>
    public double? Beta2 { get; set; }

    /// <summary>What is added to the root of that mean, to its power. <value>1e-4.</value></summary>
    public double? Epsilon { get; set; }

    /// <summary>Decoupled: a step multiplies the parameters by <c>1 - lr * WeightDecay</c>. <value>0.</value></summary>
    public double? WeightDecay { get; set; }

    /// <summary>k in [0, 1]: 1 scales by the curvature, 0 not at all. <value>1.</value></summary>
    public double? HessianPower { get; set; }

    /// <summary>Which entries share their mean of D. <value><see cref="SpatialAveraging.Kernel"/>.</value></summary>
    public SpatialAveraging? Averaging { get; set; }

    /// <summary>Entries of a block where <see cref="Averaging"/> is <see cref="SpatialAveraging.Blocks"/>; divides the size of each such parameter. <value>1.</value></summary>
    public int? BlockSize { get; set; }

    /// <summary>Whether |D| is averaged, as official code does, in the place of D, as the paper does. <value>False.</value></summary>
    public bool? AbsoluteFirst { get; set; }

    /// <summary>amirgholami/adahessian, image classification. Its script passes a weight decay over the learning rate (5e-4 / 0.15): pass it here too.</summary>
    public static AdaHessianOptions OfficialVision => new() { LearningRate = 0.15, AbsoluteFirst = true };

    /// <summary>amirgholami/adahessian, instruction: rows of matrices averaged too.</summary>
    public static AdaHessianOptions OfficialInstruction => new() { LearningRate = 0.15, AbsoluteFirst = true, Averaging = SpatialAveraging.KernelAndRows };

    /// <summary>amirgholami/adahessian, transformer script on fairseq: learning rate 0.047 (after 8,000 steps of warm-up, which a scheduler makes), blocks of 32.</summary>
    public static AdaHessianOptions OfficialTranslation => new()
    {
        LearningRate = 0.047,
        Beta2 = 0.98,
        WeightDecay = 1e-4,
        AbsoluteFirst = true,
        Averaging = SpatialAveraging.Blocks,
        BlockSize = 32,
    };

    /// <summary>davda54/ada-hessian: signed, not averaged.</summary>
    public static AdaHessianOptions Davda54 => new() { LearningRate = 0.1, Epsilon = 1e-8, Averaging = SpatialAveraging.None };

    /// <summary>kozistr/pytorch_optimizer: as <see cref="Davda54"/> with a smaller epsilon.</summary>
    public static AdaHessianOptions PytorchOptimizer => new() { LearningRate = 0.1, Epsilon = 1e-16, Averaging = SpatialAveraging.None };

    internal static AdaHessianOptions Defaults => new()
    {
        LearningRate = 0.15,
        Beta1 = 0.9,
        Beta2 = 0.999,
        Epsilon = 1e-4,
        WeightDecay = 0,
        HessianPower = 1,
        Averaging = SpatialAveraging.Kernel,
        BlockSize = 1,
        AbsoluteFirst = false,
    };

    /// <inheritdoc/>
    protected override double?[] Values
    {
        get => [Beta1, Beta2, Epsilon, WeightDecay, HessianPower, (int?)Averaging, BlockSize, AbsoluteFirst is { } flag ? (flag ? 1 : 0) : null];
        set
        {
            (Beta1, Beta2, Epsilon, WeightDecay, HessianPower) = (value[0], value[1], value[2], value[3], value[4]);
            (Averaging, BlockSize, AbsoluteFirst) = ((SpatialAveraging?)(int?)value[5], (int?)value[6], value[7] is { } flag ? flag != 0 : null);
        }
    }

    /// <inheritdoc/>
    protected internal override void Check()
    {
        base.Check();
        RequireDecays(Beta1, Beta2);
        Require(Epsilon is null or >= 0, nameof(Epsilon), Epsilon, "a number from 0");
        Require(WeightDecay is null or >= 0, nameof(WeightDecay), WeightDecay, "a number from 0");
        Require(HessianPower is null or (>= 0 and <= 1), nameof(HessianPower), HessianPower, "in [0, 1]");
        Require(Averaging is null || Enum.IsDefined(Averaging.Value), nameof(Averaging), (int?)Averaging, "a rule of SpatialAveraging");
        Require(BlockSize is null or > 0, nameof(BlockSize), BlockSize, "a number of entries from 1");
    }
}
