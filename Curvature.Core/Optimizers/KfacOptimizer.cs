using Curvature.Kronecker;
using Curvature.Layers;
using Curvature.Objectives;
using TorchSharp;
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
/// factors and inverses, <c>2 (d_in^2 + d_out^2)</c> a layer, the momentum, and on updating steps what the layers see. Factors, inverses and counters are part of the state. Dispose it to take out the hooks.
/// </para>
/// <para>
/// Martens and Grosse 2015, Optimizing Neural Networks with Kronecker-factored Approximate Curvature; George et al. 2018 (EKFAC). Departures: learning rate and momentum are given, not solved for; inverses are
/// renewed oftener at the start, where they change.
/// </para>
/// </summary>
public sealed class KfacOptimizer : CurvatureOptimizer<KfacOptimizerOptions>
{
    private const string Factor = "factor ", Inverse = "inverse ", Kinds = "factor kinds", Samples = "samples", Lambda = "damping";
    private readonly nn.Module _model;
    private readonly KfacPreconditioner _inverses;
    private readonly StepRecorder? _recorder;
    private KfacFactors? _factors;
    private Tensor? _kinds; // the state's, as long as the state is ours
    private LayerTape? _tape; // of the part that is being differentiated
    private bool _evaluates, _differentiated;
    private double _samples;
    private Tensor? _lookedAt; // the parameters before a step that is judged
    private Tensor?[] _gradient = [];

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
        : base(groups, options, KfacOptimizerOptions.Defaults)
    {
        (_model, Settings) = (model, (settings ?? new KfacSettings()).Checked());
        _inverses = new KfacPreconditioner(Settings.MomentDecay, Settings.LargestBlock);
        _recorder = TakesGradients ? new StepRecorder(model, () => !_evaluates && UpdatesFactors ? Factors().Tape(retainGradients: true) : null) : null;
    }

    /// <summary>Intervals, damping, kinds of factors.</summary>
    public KfacSettings Settings { get; }

    /// <summary>lambda as it is now: <see cref="KfacSettings.Damping"/>, or what its schedule has made of it.</summary>
    public double Damping => State(0)[Lambda] is not 0 and long bits ? BitConverter.Int64BitsToDouble(bits) : Settings.Damping;

    /// <summary>What stands for each parameter; known after a step.</summary>
    /// <exception cref="CurvatureException">Not yet.</exception>
    public RegistrationReport Registration => Factors().Registration;

    /// <inheritdoc/>
    protected override bool TakesGradients => Settings is { Schedule: null, Factors.Gradients: FactorGradients.Empirical or FactorGradients.Identity } && StepRecorder.CanRecord(_model);

    /// <inheritdoc/>
    private protected override bool LooksBack => _lookedAt is not null;

    private bool UpdatesFactors => Steps < Settings.FactorInterval || Steps % Settings.FactorInterval == 0;

    private bool RenewsInverses => Steps % Settings.InverseInterval == 0 || (Steps < Settings.InverseInterval && (Steps & (Steps - 1)) == 0);

    /// <inheritdoc/>
    protected override void Begin()
    {
        Factors().Abandon();
        (_differentiated, _samples, _lookedAt) = (false, 0, null);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Tensor?> Differentiate(LossPass pass)
    {
        _differentiated = true;
        if (pass.Outputs is null && Settings.Factors.Gradients is not (FactorGradients.Empirical or FactorGradients.Identity))
        {
            throw new CurvatureException($"KFAC with {Settings.Factors.Gradients} gradients needs the model's outputs: call Step(forward, targets, loss), e.g. Step(() => model.call(x), y, new CrossEntropy()), "
                + $"or choose {nameof(FactorGradients)}.{FactorGradients.Empirical}.");
        }

        CountSamples(pass);
        if (_tape is null)
        {
            return base.Differentiate(pass);
        }

        using LayerTape tape = _tape;
        _tape = null;
        IReadOnlyList<Tensor?> gradient = Gather(pass, tape);
        RequireCalled([tape], gradient);
        return gradient;
    }

    /// <inheritdoc/>
    /// <returns>What the factors would get, to be looked at.</returns>
    protected override IReadOnlyList<Tensor?> Complete(IReadOnlyList<Tensor?> gradient)
    {
        if (!_differentiated && UpdatesFactors)
        {
            GatherRecorded([.. gradient]);
        }

        return [.. Factors().Brought.Where(sum => sum.dtype == Parameters[0].dtype)];
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Tensor?> Prepare(IReadOnlyList<Tensor?> gradient, IReadOnlyList<Tensor?> curvature)
    {
        KfacFactors factors = Factors();
        if (curvature.Count > 0)
        {
            factors.Commit();
            ShareFactors(factors);
        }

        RequireRegistered(factors, gradient);
        double damping = Damping + Settings.L2;
        if (RenewsInverses || !_inverses.IsReady)
        {
            _inverses.Refresh(factors, damping, Settings.Rule);
            ShareInverses();
        }

        Tensor?[] g = [.. gradient.Select((own, i) => own is not null && Settings.L2 > 0 ? own.add(Parameters[i], Settings.L2) : own)];
        Tensor?[] v = _inverses.Apply(g, gradient, Parameters, damping, RememberedSamples());
        Clip(v, g);
        if (Settings.Schedule is { } schedule && (Steps + 1) % schedule.Interval == 0)
        {
            (_lookedAt, _gradient) = (factors.Parameters.Snapshot(), [.. gradient]);
        }

        return v;
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
    private protected override IDisposable? Preserve() => new ModuleState(_model).Preserve();

    /// <inheritdoc/>
    private protected override void LookBack(Tensor before, Tensor after)
    {
        using DisposeScope scope = NewDisposeScope();
        KfacFactors factors = Factors();
        Tensor change = factors.Parameters.Snapshot().sub(_lookedAt!);
        IReadOnlyList<Tensor> delta = factors.Parameters.Split(change);
        using KfacOperator F = new(factors);

        // q = g^T delta + delta^T F delta / 2
        Tensor q = F.Apply(change).mul(change).sum().mul(0.5);
        foreach ((Tensor? g, Tensor d) in _gradient.Zip(delta))
        {
            q = g is null ? q : q.add(g.mul(d).sum());
        }

        double[] numbers = stack([before, after, q.to(before.dtype)]).to(ScalarType.Float64).cpu().data<double>().ToArray();
        if (numbers[2] != 0)
        {
            double ratio = (numbers[1] - numbers[0]) / numbers[2];
            State(0)[Lambda] = BitConverter.DoubleToInt64Bits(Settings.Schedule!.Next(Damping, ratio));
        }

        (_lookedAt, _gradient) = (null, []);
    }

    /// <inheritdoc/>
    private protected override LossPass Evaluate(Func<LossPass> evaluate, int part)
    {
        _tape?.Dispose();
        _tape = UpdatesFactors ? Factors().Tape() : null;
        _evaluates = true;
        try
        {
            return base.Evaluate(evaluate, part);
        }
        catch
        {
            _tape?.Dispose();
            _tape = null;
            throw;
        }
        finally
        {
            _evaluates = false;
            _tape?.Stop();
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _recorder?.Dispose();
            _tape?.Dispose();
            _inverses?.Dispose();
            _factors?.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Takes in one part of the batch; its gradient.</summary>
    private IReadOnlyList<Tensor?> Gather(LossPass pass, LayerTape tape)
    {
        KfacFactors factors = Factors();
        if (pass.Outputs is null)
        {
            return factors.TakeObserved(tape, pass.Loss, Settings.Terms, Settings.Reduction);
        }

        if (Settings.Factors.Gradients == FactorGradients.Empirical)
        {
            return factors.TakeObserved(tape, pass.Loss, pass.Outputs, pass.Targets!, pass.Criterion!, pass.Weight);
        }

        factors.Take(tape, pass.Outputs, pass.Targets!, pass.Criterion!);
        return base.Differentiate(pass);
    }

    /// <summary>Takes in the passes that hooks have seen since the last step.</summary>
    private void GatherRecorded(Tensor?[] gradient)
    {
        IReadOnlyList<LayerTape> tapes = _recorder!.Take();
        try
        {
            if (tapes.Count == 0)
            {
                throw new CurvatureException("No layer of the model has been called in train mode and with a backward pass since the last step: evaluate it by call(), after train(), or use Step(forward, targets, loss).");
            }

            Tensor?[] none = new Tensor?[gradient.Length];
            foreach (LayerTape tape in tapes)
            {
                // the parameters' gradients are those of all passes: they count once
                Tensor?[] ofCalls = [.. tape.Calls.Select(call => call.Output.grad)];
                Factors().TakeObserved(tape, ofCalls, tape == tapes[0] ? gradient : none, Settings.Terms, Settings.Reduction, isAlone: tapes.Count == 1);
            }

            RequireCalled(tapes, gradient);
        }
        finally
        {
            foreach (LayerTape tape in tapes)
            {
                tape.Dispose();
            }
        }
    }

    private static void RequireRegistered(KfacFactors factors, IReadOnlyList<Tensor?> gradient)
    {
        RegisteredParameter? thawed = factors.Registration.Parameters.Where((p, i) => p.Kind == BlockKind.Zero && gradient[i] is not null).FirstOrDefault();
        if (thawed is not null)
        {
            throw new CurvatureException($"The parameter '{thawed.Name}' was frozen at the first step, and its factors are none; now it has a gradient. Make a new optimizer.");
        }
    }

    private void RequireCalled(IReadOnlyList<LayerTape> tapes, IReadOnlyList<Tensor?> gradient)
    {
        foreach (int i in Factors().Uncalled(tapes))
        {
            if (gradient[i] is { } g && g.ne(0).any().ToBoolean())
            {
                string name = Factors().Parameters.Names[i];
                Factors().Abandon();
                throw new CurvatureException($"The parameter '{name}' has a gradient, but its layer was not called: its hook did not fire. Evaluate layers by call(), not by forward().");
            }
        }
    }

    /// <summary>The factors that the state holds: made anew where a state was loaded or moved, or groups have been added before the first step.</summary>
    private KfacFactors Factors()
    {
        Tensor? kinds = State(0).Find(Kinds);
        if (_factors is not null && ReferenceEquals(kinds, _kinds) && _factors.Parameters.Parameters.Count == Parameters.Count)
        {
            return _factors;
        }

        if (kinds is not null && kinds.numel() != Parameters.Count)
        {
            throw new CurvatureException($"The factors are those of {kinds.numel()} parameters, and now there are {Parameters.Count}: add all groups before the first step.");
        }

        _recorder?.Clear(); // recorded for other factors
        _factors?.Dispose();
        _factors = new KfacFactors(_model, NamedParameters.In(_model, Parameters), Settings.Factors);
        _kinds = null;
        _inverses.Clear();
        if (kinds is not null)
        {
            Dictionary<string, Tensor> saved = Enumerable.Range(0, Parameters.Count).SelectMany(i => Named(i, Factor)).ToDictionary();
            _factors.LoadStateDict(saved);
            ShareFactors(_factors);
            _inverses.Restore(_factors, i => Named(i, Inverse).ToDictionary(part => part.Key, part => part.Value.alias()));
        }

        return _factors;
    }

    /// <summary>The tensors of a parameter's state whose names begin so, by the rest.</summary>
    private IEnumerable<KeyValuePair<string, Tensor>> Named(int i, string prefix) => State(i).Names
        .Where(name => name.StartsWith(prefix, StringComparison.Ordinal))
        .Select(name => KeyValuePair.Create(name[prefix.Length..], State(i).Find(name)!));

    /// <summary>Gives the state handles of the factors' tensors, in the first parameter of each block, and what changes with an update.</summary>
    private void ShareFactors(KfacFactors factors)
    {
        NamedState all = State(0);
        if (_kinds is null)
        {
            foreach ((int parameter, string key, Tensor value) in factors.Shared)
            {
                State(parameter).Keep(Factor + key, value.alias());
            }

            all.Keep(Kinds, factors.KindsOfBlocks());
            _kinds = all.Find(Kinds);
        }

        all.Set(Factor + "updates", tensor(factors.Updates));
        all.Set(Factor + "weight", tensor(factors.Weight));
    }

    private void ShareInverses()
    {
        foreach ((int parameter, string key, Tensor value) in _inverses.Parts)
        {
            State(parameter).Keep(Inverse + key, value.alias());
        }
    }

    /// <summary>Shortens the directions, all by one factor, to a trust region in the metric of F.</summary>
    private void Clip(Tensor?[] v, Tensor?[] g)
    {
        if (Settings.KlClip is not { } kappa)
        {
            return;
        }

        using DisposeScope scope = NewDisposeScope();
        List<Tensor> products = [];
        int i = 0;
        foreach (ParamGroup group in _parameter_groups)
        {
            double lr = group.Options.LearningRate!.Value;
            foreach (Parameter _ in group.Parameters)
            {
                if (v[i] is { } direction)
                {
                    products.Add(direction.mul(g[i]!).sum().mul(lr * lr));
                }

                i++;
            }
        }

        // nu = min(1, sqrt(kappa / s)), by its reciprocal: s may be 0
        Tensor nu = stack(products).sum().abs().div(kappa).sqrt().clamp_min(1).reciprocal();
        foreach (Tensor? direction in v)
        {
            direction?.mul_(nu);
        }
    }

    /// <summary>Counts the loss's samples, rows or labels, for EKFAC's running moments.</summary>
    private void CountSamples(LossPass pass)
    {
        if (Settings.MomentDecay is not null && pass is { Criterion: { } loss, Targets: { } targets })
        {
            _samples = loss.Reduction == Reduction.Sum ? 1 : _samples + (targets.is_floating_point() ? targets.shape[0] : loss.Terms(targets));
        }
    }

    /// <summary>M of this step; where the loss is a function alone, that of the last one that updated the factors.</summary>
    private double RememberedSamples()
    {
        if (Settings.MomentDecay is null)
        {
            return 1;
        }

        NamedState all = State(0);
        double known = _samples > 0 ? _samples : Factors().LastWeight;
        if (known > 0)
        {
            all[Samples] = BitConverter.DoubleToInt64Bits(known);
        }

        return BitConverter.Int64BitsToDouble(all[Samples]);
    }
}
