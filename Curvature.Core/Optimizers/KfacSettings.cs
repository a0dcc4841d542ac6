using Curvature.Kronecker;
using Curvature.Objectives;

namespace Curvature.Optimizers;

/// <summary>How <see cref="KfacOptimizer"/> gathers, damps and renews its factors. The presets are the settings of published codes, read there.</summary>
public sealed record KfacSettings
{
    /// <value>
    /// Which gradients make G, how shared weights enter, what fades. Default: Monte-Carlo draws, decay <c>min(1 - 1/k, 0.95)</c>. With <see cref="FactorGradients.Empirical"/> or
    /// <see cref="FactorGradients.Identity"/> the loss alone is enough, and <c>loss.backward(); step()</c>.
    /// </value>
    public KfacOptions Factors { get; init; } = new() { StartsEven = true };

    /// <value>Steps from one update of the factors to the next; the first so many steps each make one. Default 10.</value>
    public int FactorInterval { get; init; } = 10;

    /// <value>Steps from one renewal of the inverses to the next; until the first so many are over, also on steps 0, 1, 2, 4, 8, ... Default 100.</value>
    public int InverseInterval { get; init; } = 100;

    /// <value>lambda, above 0. Default 1e-3.</value>
    public double Damping { get; init; } = 1e-3;

    /// <value>Lets lambda follow the quality of the quadratic model, from <see cref="Damping"/> on; inverses take it up when they are renewed. Needs <c>Step</c> or <c>step(() => loss)</c>. Null, the default: constant.</value>
    public LevenbergMarquardt? Schedule { get; init; }

    /// <value>What the damped inverse of a product is computed as; EKFAC is always damped exactly. Default <see cref="DampingRule.PiSplit"/>.</value>
    public DampingRule Rule { get; init; } = DampingRule.PiSplit;

    /// <value>
    /// Factors with more rows than this are replaced by blocks on their diagonal, of at most so many rows: a product then costs <c>d_in d_out</c> times two blocks' rows, an inverse their square times
    /// <c>d</c>. What lies between blocks is lost. For the split rules, and layers without groups. Null, the default: whole factors.
    /// </value>
    public long? LargestBlock { get; init; }

    /// <value>
    /// kappa: directions are shortened, all by one factor, to <c>lr^2 v^T g &lt;= kappa</c>, which for <c>v = (F + lambda I)^-1 g</c> bounds <c>lr^2 v^T F v</c>, twice the Kullback-Leibler divergence of a step
    /// to second order. Null: not. Default 1e-3.
    /// </value>
    public double? KlClip { get; init; } = 1e-3;

    /// <value>eta of a loss <c>+ eta/2 |theta|^2</c>: <c>eta theta</c> joins the gradient and eta the damping, as Martens and Grosse 2015 have it. From 0; default 0.</value>
    public double L2 { get; init; }

    /// <value>alpha of EKFAC: the weight of the past in the running second moments, in [0, 1). Null: KFAC. <see cref="Ekfac"/> has 0.75.</value>
    public double? MomentDecay { get; init; }

    /// <value>
    /// Where the loss is a function alone: how many terms its mean has in a part of a batch. Null: as many as the outputs of the layer called last have positions (rows; tokens; pixels).
    /// </value>
    public double? Terms { get; init; }

    /// <value>Where the loss is a function alone: whether it is a mean or a sum. Default mean.</value>
    public Reduction Reduction { get; init; } = Reduction.Mean;

    /// <summary>EKFAC with running moments: eigenvectors of the factors, second moments of the gradients in them with <c>alpha = 0.75</c>.</summary>
    public static KfacSettings Ekfac => new() { MomentDecay = 0.75 };

    /// <summary>
    /// gpauloski/kfac-pytorch, inverse mode: lambda on each factor unsplit, observed gradients as autograd has them, averages that start as the identity, everything renewed at each step. Departures: it divides what
    /// convolutions see by their positions, twice over, and knows neither dilation nor groups; layers that it leaves to the gradient have their blocks here.
    /// </summary>
    public static KfacSettings PytorchInverse => new()
    {
        Factors = new KfacOptions { Gradients = FactorGradients.Empirical, StartsAtIdentity = true, UnscaledGradients = true },
        FactorInterval = 1,
        InverseInterval = 1,
        Damping = 1e-3,
        Rule = DampingRule.Unsplit,
        KlClip = 1e-3,
    };

    /// <summary>gpauloski/kfac-pytorch, eigen mode, its default: the same, damped exactly.</summary>
    public static KfacSettings PytorchEigen => PytorchInverse with { Rule = DampingRule.ExactEigen };

    /// <summary>
    /// google-deepmind/kfac-jax as its examples use it: factors at each step, inverses at every fifth, pi-split damping that follows the quadratic model, a norm constraint. Departures: draws where it sends random
    /// signs through the loss's root, no passes of statistics before the first step, learning rate and momentum not solved for.
    /// </summary>
    public static KfacSettings Jax => new()
    {
        Factors = new KfacOptions(),
        FactorInterval = 1,
        InverseInterval = 5,
        Schedule = new LevenbergMarquardt { Factor = Math.Pow(0.9, 5) },
    };

    /// <summary>Refuses settings out of range.</summary>
    internal KfacSettings Checked()
    {
        Factors.Checked();
        Schedule?.Check();
        void Require(bool holds, string name, double? value, string range)
        {
            if (!holds)
            {
                throw new CurvatureException(FormattableString.Invariant($"{nameof(KfacSettings)}.{name} should be {range}; got {value}."));
            }
        }

        Require(FactorInterval > 0, nameof(FactorInterval), FactorInterval, "a number of steps from 1");
        Require(InverseInterval > 0, nameof(InverseInterval), InverseInterval, "a number of steps from 1");
        Require(Damping > 0 && double.IsFinite(Damping), nameof(Damping), Damping, "a positive number");
        Require(LargestBlock is null or > 0, nameof(LargestBlock), LargestBlock, "a number of rows from 1, or null");
        Require(KlClip is null or > 0, nameof(KlClip), KlClip, "above 0, or null");
        Require(L2 >= 0 && double.IsFinite(L2), nameof(L2), L2, "a number from 0");
        Require(MomentDecay is null or (>= 0 and < 1), nameof(MomentDecay), MomentDecay, "in [0, 1), or null");
        Require(Terms is null or > 0, nameof(Terms), Terms, "above 0, or null");
        return this;
    }
}
