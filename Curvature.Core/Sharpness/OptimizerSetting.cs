namespace Curvature.Sharpness;

/// <summary>How a network is trained, as far as its stability goes.</summary>
/// <param name="Rule">The rule; see <see cref="KnownUpdateRules"/>.</param>
/// <param name="LearningRate">eta, positive; null where only limits are asked for.</param>
/// <param name="Momentum">Momentum, or beta_1 of Adam, in [0, 1).</param>
/// <param name="BatchSize">Samples in a mini-batch, drawn without replacement; null for the full batch.</param>
public sealed record OptimizerSetting(UpdateRule Rule, double? LearningRate, double Momentum, int? BatchSize = null)
{
    /// <value>What adaptive rules add to the root of the squared gradients. Default 1e-8.</value>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>A setting from names and numbers, checked.</summary>
    /// <param name="rule">A name of <see cref="KnownUpdateRules"/>.</param>
    /// <param name="learningRate">eta.</param>
    /// <param name="momentum">Null: the rule's usual one.</param>
    /// <param name="batchSize">Null: the full batch.</param>
    /// <exception cref="CurvatureException">An unknown rule, or a number out of range.</exception>
    public static OptimizerSetting Of(string rule, double? learningRate = null, double? momentum = null, int? batchSize = null)
    {
        UpdateRule known = KnownUpdateRules.Named(rule);
        double beta = momentum ?? known.UsualMomentum;
        return learningRate is null or > 0 and < double.PositiveInfinity && beta is >= 0 and < 1 && batchSize is null or >= 1
            ? new OptimizerSetting(known, learningRate, beta, batchSize)
            : throw new CurvatureException(FormattableString.Invariant(
                $"Expected a positive learning rate, a momentum in [0, 1) and a batch size of at least 1; got {learningRate}, {beta} and {batchSize}."));
    }
}
