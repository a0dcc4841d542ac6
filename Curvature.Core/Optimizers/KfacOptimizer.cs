using Curvature.Kronecker;
using Curvature.Layers;
using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// KFAC: steps along <c>(F + lambda I)^{-1} g</c>, F the Kronecker-factored curvature of each layer (<see cref="KfacFactors"/>) as mini-batches have shown it:
/// <code>
/// F: factors from the batch on every n-th step                 (n = 10; the first n steps each)
/// B = (F + lambda I)^{-1} on every k-th step                   (k = 100; before that on steps 0, 1, 2, 4, 8, ...)
/// v = nu B g,  nu = min(1, sqrt(kappa / sum lr^2 (B g)^T g))
/// m = b m + v
/// theta = (1 - lr wd) theta - lr m
/// </code>
/// Every parameter is part of it: layers without Kronecker factors get a full block or its diagonal, as <see cref="Registration"/> says with the reason. With <see cref="KfacSettings.MomentDecay"/> it is EKFAC: the
/// eigenvectors of the factors, and running second moments of the gradients in them.
/// <para>
/// <c>Step(forward, targets, loss)</c> serves all kinds of G. On a step that updates the factors the model is evaluated once, and G by draws costs one backward pass more, observed gradients none. With these
/// (<see cref="FactorGradients.Empirical"/>, <see cref="FactorGradients.Identity"/>) <c>step(() => loss)</c> and <c>loss.backward(); step()</c> work too, the latter by hooks that look at passes in train
/// mode with gradients on, and at no others (of a model that is called with one tensor or two). A layer that has a gradient and was not called (<c>forward</c> in the place of <c>call</c>) is an error by its name.
/// </para>
/// <para>
/// Cost of a step: a gradient and <c>d_in d_out (d_in + d_out)</c> a layer; of an update of the factors <c>N T (d_in^2 + d_out^2)</c> and a backward pass, of the inverses <c>d_in^3 + d_out^3</c>. Memory:
/// factors and inverses, <c>2 (d_in^2 + d_out^2)</c> a layer, the momentum, on updating steps what the layers see and what the batch brings, <c>d_in^2 + d_out^2</c>, and on steps that update and renew as much again, so that a failed inversion leaves the factors as they were. Factors, inverses and counters are part of the state. Dispose it to take out the hooks.
/// With several <see cref="ICurvatureOptimizer.Ranks"/> each layer belongs to one of them, which alone has its factors and inverses and makes its directions: about an n-th of the memory and of the work on each, where layers are alike; at updates
/// each holds besides what its part of the batch brings of all layers, and the layers are divided by the cost of their inverses alone. Set the ranks before a state is loaded, or the whole of it is on each rank until then. Every rank then
/// calls <c>save_state_dict</c>, which writes the whole state, some of it at a time, to each rank's writer: give all but one <c>Stream.Null</c>. A step whose inversion fails leaves all as it was; one whose directions fail leaves parameters and factors so.
/// </para>
/// <para>
/// Martens and Grosse 2015, Optimizing Neural Networks with Kronecker-factored Approximate Curvature; George et al. 2018 (EKFAC). Departures: learning rate and momentum are given, not solved for; inverses are
/// renewed oftener at the start, where they change.
/// </para>
/// </summary>
public sealed partial class KfacOptimizer : LayerOptimizer<KfacOptimizerOptions>
{
    private const string Lambda = "damping";
    private readonly KfacPreconditioner _inverses;
    private double _samples;

    /// <param name="model">All its parameters are stepped but those that are frozen: what is frozen at the first step stays so, or needs a new optimizer.</param>
    /// <param name="options">Null, and null values in them, for the defaults.</param>
    /// <param name="settings">Null for the defaults.</param>
    /// <exception cref="CurvatureException">No parameter, mixed dtypes or devices, or settings out of their range.</exception>
    public KfacOptimizer(nn.Module model, KfacOptimizerOptions? options = null, KfacSettings? settings = null)
        : this(model, [new ParamGroup<KfacOptimizerOptions>(model.parameters())], options, settings)
    {
    }

    /// <param name="model">What the parameters belong to; one that belongs to none of its modules gets a diagonal.</param>
    /// <param name="groups">Parameters with options of their own; what those leave open is taken from the options.</param>
    /// <param name="options">Null, and null values in them, for the defaults.</param>
    /// <param name="settings">Null for the defaults.</param>
    /// <exception cref="CurvatureException">As above; or a parameter that comes twice.</exception>
    public KfacOptimizer(nn.Module model, IEnumerable<ParamGroup<KfacOptimizerOptions>> groups, KfacOptimizerOptions? options = null, KfacSettings? settings = null)
        : base(model, groups, options, KfacOptimizerOptions.Defaults)
    {
        Settings = (settings ?? new KfacSettings()).Checked();
        _inverses = new KfacPreconditioner(Settings.MomentDecay, Settings.LargestBlock);
        RecordPasses();
    }

    /// <summary>Intervals, damping, kinds of factors.</summary>
    public KfacSettings Settings { get; }

    /// <summary>lambda as it is now: <see cref="KfacSettings.Damping"/>, or what its schedule has made of it.</summary>
    public double Damping => State(0)[Lambda] is not 0 and long bits ? BitConverter.Int64BitsToDouble(bits) : Settings.Damping;

    /// <summary>What stands for each parameter; known after a step.</summary>
    /// <exception cref="CurvatureException">Not yet; or a state that was loaded is damaged: of several ranks this tells the one that has the layer, and the next step all.</exception>
    public RegistrationReport Registration => Factors().Registration;

    /// <inheritdoc/>
    protected override bool TakesGradients => Settings is { Schedule: null, Factors.Gradients: FactorGradients.Empirical or FactorGradients.Identity } && StepRecorder.CanRecord(Model);

    /// <inheritdoc/>
    /// <remarks>That of <see cref="KfacSettings.Reduction"/>.</remarks>
    public override Reduction LossReduction
    {
        get => Settings.Reduction;
        set => _ = value == Settings.Reduction ? value : throw new CurvatureException($"KFAC's losses are of the reduction {Settings.Reduction}: set {nameof(KfacSettings)}.{nameof(KfacSettings.Reduction)}.");
    }

    /// <inheritdoc/>
    private protected override bool MayLookBack => Settings.Schedule is { } schedule && (Steps + 1) % schedule.Interval == 0;

    /// <inheritdoc/>
    private protected override bool LooksBack => _lookedAt is not null;

    /// <inheritdoc/>
    private protected override ILayerRecorder Recorded => Factors();

    /// <inheritdoc/>
    private protected override bool Updates => Steps < Settings.FactorInterval || Steps % Settings.FactorInterval == 0;

    private bool RenewsInverses => Steps % Settings.InverseInterval == 0 || (Steps < Settings.InverseInterval && (Steps & (Steps - 1)) == 0);

    /// <inheritdoc/>
    protected override void Begin()
    {
        base.Begin();
        (_samples, _lookedAt) = (0, null);
    }

    /// <inheritdoc/>
    private protected override void Look(LossPass pass)
    {
        if (pass.Outputs is null && Settings.Factors.Gradients is not (FactorGradients.Empirical or FactorGradients.Identity))
        {
            throw new CurvatureException($"KFAC with {Settings.Factors.Gradients} gradients needs the model's outputs: call Step(forward, targets, loss), e.g. Step(() => model.call(x), y, new CrossEntropy()), "
                + $"or choose {nameof(FactorGradients)}.{FactorGradients.Empirical}.");
        }

        // rows or labels, for EKFAC's running moments
        if (Settings.MomentDecay is not null && pass is { Criterion: { } loss, Targets: { } targets })
        {
            _samples = loss.Reduction == Reduction.Sum ? 1 : _samples + (targets.is_floating_point() ? targets.shape[0] : loss.Terms(targets));
        }
    }

    /// <inheritdoc/>
    protected override void SumOverRanks()
    {
        if (Settings.MomentDecay is not null && Criterion is { } loss)
        {
            _samples = loss.Reduction == Reduction.Sum ? 1 : Ranks.Sum(_samples);
        }
    }

    /// <inheritdoc/>
    private protected override IReadOnlyList<Tensor?> Take(LossPass pass, LayerTape tape)
    {
        KfacFactors factors = Factors();
        if (pass.Outputs is null)
        {
            return factors.TakeObserved(tape, pass.Loss, Settings.Terms, Settings.Reduction);
        }

        if (Settings.Factors.Gradients == FactorGradients.Empirical)
        {
            return factors.TakeObserved(tape, pass.Loss, pass.Outputs, pass.Targets!, pass.Criterion!, pass.Weight, pass.FirstRow);
        }

        factors.Take(tape, pass.Outputs, pass.Targets!, pass.Criterion!, pass.FirstRow);
        return Gradients.Of(pass.Loss, pass.Parameters, createGraph: false);
    }

    /// <inheritdoc/>
    private protected override void Take(IReadOnlyList<LayerTape> tapes, IReadOnlyList<Tensor?> gradient)
    {
        if (tapes.Count == 0)
        {
            throw new CurvatureException("No layer of the model has been called in train mode and with a backward pass since the last step: evaluate it by call(), after train(), or use Step(forward, targets, loss).");
        }

        Tensor?[] all = [.. gradient], none = new Tensor?[gradient.Count];
        foreach (LayerTape tape in tapes)
        {
            // the parameters' gradients are those of all passes: they count once
            Factors().TakeObserved(tape, OfCalls(tape), tape == tapes[0] ? all : none, Settings.Terms, Settings.Reduction, isAlone: tapes.Count == 1);
        }
    }

    /// <inheritdoc/>
    protected override void Update(Parameter parameter, Tensor g, Tensor? D, NamedState state, KfacOptimizerOptions options)
    {
        (double lr, double b, double decay) = (options.LearningRate!.Value, options.Momentum!.Value, options.WeightDecay!.Value);
        Tensor m = b > 0 ? state.Zeros("m").mul_(b).add_(D!) : D!;
        if (decay > 0)
        {
            parameter.mul_(1 - (lr * decay));
        }

        parameter.add_(m, -lr);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _inverses?.Dispose();
            _factors?.Dispose();
        }

        base.Dispose(disposing);
    }
}
