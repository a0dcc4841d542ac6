using Curvature.Kronecker;
using Curvature.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// MKOR: steps along <c>L^-1 G R^-1</c> for each layer's gradient G, with its length, where rank-1 updates keep the inverses of the moving averages L of <c>g g^T</c> and R of <c>a a^T</c>
/// (<see cref="MkorFactors"/>): a the batch's mean input, g the sum of its output gradients.
/// <code>
/// L^-1, R^-1: rank-1 updates on every k-th step     (k = 10)
/// V = L^-1 G R^-1,  v = V |G| / |V|                 (layers without inverses: v = g)
/// m = b m + v,  theta = (1 - lr wd) theta - lr m    (or Adam's rule, on v)
/// </code>
/// Linear layers and convolutions without groups have inverses; embeddings, normalisations, grouped convolutions, other modules' parameters and layers above <see cref="MkorSettings.LargestSide"/> take the rule
/// inside on their gradient. With <see cref="MkorSettings.Hybrid"/> it is MKOR-H: where the loss hardly falls any more it goes on along the gradient, and says so (<see cref="Switched"/>).
/// <para>
/// All forms of a step work, <c>loss.backward(); step()</c> too, by hooks that look at passes in train mode with gradients on (MKOR-H, and a model that is not called with one tensor or two, need the loss: <c>Step</c>). The loss is taken to be a mean: of a sum g is N
/// times larger, which <see cref="MkorMode.Exact"/> with rescaling does not notice. A g that cancels to rounding, as that of attention's keys always does, is zero: L^-1 stays I there. No pass is added: an update takes what the step's own backward pass has.
/// </para>
/// <para>
/// Cost of a step: a gradient and <c>d_in d_out (d_in + d_out)</c> a layer; of an update <c>d_in^2 + d_out^2</c>, a mean over the inputs (of a convolution its patches) and a few host synchronisations a layer. Memory:
/// <c>d_in^2 + d_out^2</c> a layer and the rule's. Inverses and counters are part of the state. Dispose it to take out the hooks. Without randomness.
/// </para>
/// <para>
/// Mozaffari, Li, Zhang, Mehri Dehnavi 2023, MKOR: Momentum-Enabled Kronecker-Factor-Based Optimizer Using Rank-1 Updates. Departures as <see cref="MkorFactors"/> and <see cref="MkorHybrid"/> have them.
/// </para>
/// </summary>
public sealed class MkorOptimizer : LayerOptimizer<MkorOptimizerOptions>
{
    private const string Prefix = "mkor ", FirstOrderSince = "first-order since", Looks = "low looks", Fast = "loss fast", Slow = "loss slow";
    private readonly string _mark; // an entry whose tensor is the state's as long as the state is ours
    private MkorStatistics? _statistics;
    private Tensor? _marked;
    private Tensor? _loss;
    private int _count;

    /// <param name="model">All its parameters are stepped.</param>
    /// <param name="options">Null, and null values in them, for the defaults.</param>
    /// <param name="settings">Null for the defaults.</param>
    /// <exception cref="CurvatureException">No parameter, mixed dtypes or devices, or settings out of their range.</exception>
    public MkorOptimizer(nn.Module model, MkorOptimizerOptions? options = null, MkorSettings? settings = null)
        : this(model, [new ParamGroup<MkorOptimizerOptions>(model.parameters())], options, settings)
    {
    }

    /// <param name="model">What the parameters belong to.</param>
    /// <param name="groups">Parameters with options of their own; what those leave open is taken from the options.</param>
    /// <param name="options">Null, and null values in them, for the defaults.</param>
    /// <param name="settings">Null for the defaults.</param>
    /// <exception cref="CurvatureException">As above; or a parameter that comes twice.</exception>
    public MkorOptimizer(nn.Module model, IEnumerable<ParamGroup<MkorOptimizerOptions>> groups, MkorOptimizerOptions? options = null, MkorSettings? settings = null)
        : base(model, groups, options, MkorOptimizerOptions.Defaults)
    {
        (Settings, _mark) = ((settings ?? new MkorSettings()).Checked(), Prefix + "mark");
        _ = Statistics(); // refuses the factors' settings
        RecordPasses();
    }

    /// <summary>Told when MKOR-H changes from its directions to the gradient, or back; within the step, before parameters change.</summary>
    public event Action<MkorSwitch>? Switched;

    /// <summary>Intervals, recurrence, the rule inside.</summary>
    public MkorSettings Settings { get; }

    /// <summary>The step from which MKOR-H has been going along the gradient; null where it is not.</summary>
    public long? FirstOrderFrom => State(0)[FirstOrderSince] is > 0 and long since ? since - 1 : null;

    /// <summary>Names of the weights that have inverses; all other parameters take the rule inside on their gradient.</summary>
    public IReadOnlyList<string> Layers => Statistics().Names;

    /// <inheritdoc/>
    protected override bool TakesGradients => Settings is { Hybrid: null } && StepRecorder.CanRecord(Model);

    /// <inheritdoc/>
    private protected override ILayerRecorder Recorded => Statistics();

    /// <inheritdoc/>
    private protected override bool Updates => FirstOrderFrom is null && Steps % Settings.UpdateInterval == 0;

    /// <inheritdoc/>
    protected override void Begin()
    {
        base.Begin();
        _loss = null;
    }

    /// <inheritdoc/>
    private protected override void Look(LossPass pass)
    {
        if (Settings.Hybrid is not null)
        {
            Tensor before = _loss ?? zeros([], ScalarType.Float64, Parameters[0].device);
            _loss = before.add(pass.Loss.detach().to(ScalarType.Float64)).MoveToOuterDisposeScope();
        }
    }

    /// <inheritdoc/>
    protected override void SumOverRanks()
    {
        if (Settings.Hybrid is not null)
        {
            _loss ??= zeros([], ScalarType.Float64, Parameters[0].device);
            Ranks.Sum(_loss);
        }
    }

    /// <inheritdoc/>
    private protected override IReadOnlyList<Tensor?> Take(LossPass pass, LayerTape tape) => Statistics().Take(tape, pass.Loss);

    /// <inheritdoc/>
    private protected override void Take(IReadOnlyList<LayerTape> tapes, IReadOnlyList<Tensor?> gradient)
    {
        foreach (LayerTape tape in tapes)
        {
            Statistics().Take(tape, OfCalls(tape));
        }
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Tensor?> Prepare(IReadOnlyList<Tensor?> gradient, IReadOnlyList<Tensor?> curvature)
    {
        MkorStatistics statistics = Statistics();
        if (Settings.Hybrid is { } hybrid)
        {
            Judge(hybrid);
        }

        if (curvature.Count > 0)
        {
            statistics.Commit();
            Share(statistics);
        }

        return FirstOrderFrom is null ? statistics.Apply(gradient) : gradient;
    }

    /// <inheritdoc/>
    protected override void Update(Parameter parameter, Tensor g, Tensor? D, NamedState state, MkorOptimizerOptions options)
    {
        (double lr, double b, double decay) = (options.LearningRate!.Value, options.Momentum!.Value, options.WeightDecay!.Value);
        if (decay > 0)
        {
            parameter.mul_(1 - (lr * decay));
        }

        if (!Settings.Adam)
        {
            parameter.add_(b > 0 ? state.Zeros("m").mul_(b).add_(D!) : D!, -lr);
            return;
        }

        (double b2, double epsilon) = (options.Beta2!.Value, options.Epsilon!.Value);
        long t = ++state["updates"];
        Tensor m = state.Zeros("m").mul_(b).add_(D!, 1 - b), v = state.Zeros("v").mul_(b2).addcmul_(D!, D!, 1 - b2);
        parameter.add_(m.div(v.div(1 - Math.Pow(b2, t)).sqrt().add(epsilon)), -lr / (1 - Math.Pow(b, t)));
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _statistics?.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Follows the loss, and changes to the gradient or back where the rule says so.</summary>
    private void Judge(MkorHybrid hybrid)
    {
        NamedState state = State(0);
        Tensor Mean(string name, double decay)
        {
            // (1 - d) sum d^i l_i / (1 - d^t), kept as the sum
            state.Set(name, (state.Find(name) is { } mean ? mean.mul(decay) : zeros_like(_loss!)).add(_loss!, 1 - decay));
            return state.Find(name)!.div(1 - Math.Pow(decay, Steps + 1));
        }

        using DisposeScope scope = NewDisposeScope();
        (Tensor fast, Tensor slow) = (Mean(Fast, hybrid.Fast), Mean(Slow, hybrid.Slow));
        if (FirstOrderFrom is { } since)
        {
            if (hybrid.ReturnAfter is { } wait && Steps - since >= wait)
            {
                (state[FirstOrderSince], state[Looks]) = (0, 0);
                Switched?.Invoke(new MkorSwitch(Steps, false, double.NaN, fast.ToDouble()));
            }

            return;
        }

        if (Steps < hybrid.Warmup || Steps % hybrid.Interval != 0)
        {
            return;
        }

        double[] means = stack([fast, slow]).cpu().data<double>().ToArray();
        double rate = hybrid.Rate(means[0], means[1]);
        state[Looks] = rate < hybrid.Threshold ? state[Looks] + 1 : 0;
        if (state[Looks] >= hybrid.Patience)
        {
            state[FirstOrderSince] = Steps + 1;
            Switched?.Invoke(new MkorSwitch(Steps, true, rate, means[0]));
        }
    }

    /// <summary>The inverses that the state holds: made anew where a state was loaded or moved, or groups were added.</summary>
    private MkorStatistics Statistics()
    {
        Tensor? mark = State(0).Find(_mark);
        if (_statistics is not null && ReferenceEquals(mark, _marked) && _count == Parameters.Count)
        {
            return _statistics;
        }

        if (mark is not null && mark.ToInt64() != Parameters.Count)
        {
            throw new CurvatureException($"The inverses are those of {mark.ToInt64()} parameters, and now there are {Parameters.Count}: add all groups before the first step.");
        }

        ForgetPasses();
        _statistics?.Dispose();
        (_statistics, _count, _marked) = (new MkorStatistics(Model, NamedParameters.In(Model, Parameters), Settings.Factors, Settings.LargestSide), Parameters.Count, null);
        if (mark is not null)
        {
            _statistics.Load(i => State(i).Names.Where(name => name.StartsWith(Prefix, StringComparison.Ordinal) && name != _mark).Select(name => KeyValuePair.Create(name[Prefix.Length..], State(i).Find(name)!)));
            Share(_statistics);
        }

        return _statistics;
    }

    /// <summary>Gives the state handles of the inverses, in their weights, and their numbers.</summary>
    private void Share(MkorStatistics statistics)
    {
        if (_marked is null)
        {
            foreach ((int weight, string key, Tensor value) in statistics.Shared)
            {
                State(weight).Keep(Prefix + key, value.alias());
            }

            State(0).Keep(_mark, tensor((long)Parameters.Count));
            _marked = State(0).Find(_mark);
        }

        foreach ((int weight, string key, Tensor value) in statistics.Numbers)
        {
            State(weight).Set(Prefix + key, value);
        }
    }
}
