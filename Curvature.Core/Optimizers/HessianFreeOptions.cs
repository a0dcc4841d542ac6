namespace Curvature.Optimizers;

/// <summary>Hyperparameters of <see cref="HessianFree"/>: the learning rate, of which 1 is the whole step. Damping, solver and the rest belong to all groups and are set on the optimizer.</summary>
public sealed class HessianFreeOptions : CurvatureOptimizerOptions
{
    internal static HessianFreeOptions Defaults => new() { LearningRate = 1 };

    /// <inheritdoc/>
    protected override double?[] Values
    {
        get => [];
        set { }
    }
}
