using Curvature.MatrixFree;
using Curvature.Tensors;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// M-FAC: steps along <c>F^{-1} g</c>, with F the damped mean of outer products of the last m gradients, g among them (<see cref="MfacWindow"/>):
/// <code>
/// g = g + l2 theta
/// v = b v + (1 - b) F^{-1} g,       F = lambda I + (1/n) sum_j g_j g_j^T
/// theta = (1 - lr wd) theta - lr v
/// </code>
/// One window over all parameters; where a parameter has no gradient it holds zeros. No step is longer than <c>lr |g| / lambda</c>, and where gradients have shrunk below sqrt(lambda) it is a step of
/// gradient descent of that rate: lambda is in the unit of a squared gradient, and lr / lambda the rate at the end.
/// <para>
/// It needs the gradient alone: <c>loss.backward(); step()</c> as well as the forms that take the loss. Cost: two passes over the window beside the gradient. State: m d entries, made at the first step,
/// and 16 m^2 bytes. With several <see cref="ICurvatureOptimizer.Ranks"/> each holds m d / r entries of the window (<see cref="MfacWindow"/>); every rank then calls <c>save_state_dict</c>, which writes the whole window, a
/// row after the other, to each rank's writer: give all but one <c>Stream.Null</c>. Frantar, Kurtic, Alistarh 2021, M-FAC: Efficient Matrix-Free Approximations of Second-Order Information, section 3.2.
/// </para>
/// </summary>
/// <remarks>
/// The official code divides by m from the first step on, when F is <c>lambda I + g g^T / m</c> and the step m / |g| long for a small lambda (<see cref="MfacOptimizerOptions.Official"/> and
/// <c>new MfacWindowOptions()</c>); here n counts the gradients that are there and lambda is 1e-2 (<see cref="MfacWindowOptions.Training"/>). Its window is not saved: a run resumed there begins with an
/// empty one. Here it goes on bit for bit, in the memory of the run. On a GPU a step synchronises twice more: the m x m part is solved on the host.
/// </remarks>
public sealed class MfacOptimizer : CurvatureOptimizer<MfacOptimizerOptions>
{
    private const string Prefix = "mfac.";
    private readonly int _gradients;
    private readonly MfacWindowOptions _windowOptions;
    private MfacWindow? _window;
    private Tensor? _rows; // the window's own, as the state holds them

    /// <param name="parameters">A model's, frozen ones too.</param>
    /// <param name="gradients">m, how many gradients the window holds.</param>
    /// <param name="options">Null, and null values in them, for the defaults.</param>
    /// <param name="window">Damping, divisor, storage and mask of the window; null for <see cref="MfacWindowOptions.Training"/>.</param>
    /// <exception cref="CurvatureException">No parameter, one that comes twice, mixed dtypes or devices, or options out of their range.</exception>
    public MfacOptimizer(IEnumerable<Parameter> parameters, int gradients = 64, MfacOptimizerOptions? options = null, MfacWindowOptions? window = null)
        : this([new ParamGroup<MfacOptimizerOptions>(parameters)], gradients, options, window)
    {
    }

    /// <param name="groups">Parameters with options of their own; what those leave open is taken from the options.</param>
    /// <param name="gradients">m, how many gradients the window holds.</param>
    /// <param name="options">Null, and null values in them, for the defaults.</param>
    /// <param name="window">Damping, divisor, storage and mask of the window; null for <see cref="MfacWindowOptions.Training"/>.</param>
    /// <exception cref="CurvatureException">As the other constructor.</exception>
    public MfacOptimizer(IEnumerable<ParamGroup<MfacOptimizerOptions>> groups, int gradients = 64, MfacOptimizerOptions? options = null, MfacWindowOptions? window = null)
        : base(groups, options, MfacOptimizerOptions.Defaults)
    {
        (_gradients, _windowOptions) = (gradients, window ?? MfacWindowOptions.Training);
        MfacWindow.Check(_gradients, Parameters[0].dtype, _windowOptions);
    }

    /// <summary>
    /// Whether <c>F^{-1} g</c> is scaled to the length of g: the window then gives the direction alone, and the learning rate is in the unit of gradient descent's, whatever the damping. <value>False.</value>
    /// </summary>
    public bool NormRescale { get; init; }

    /// <summary>
    /// Whether entries that are exactly zero at the first step, weights that were pruned, stay zero and take no room in the window; biases that begin at zero are among them. Kept in the state. For a
    /// choice of one's own see <see cref="MfacWindowOptions.Mask"/>. <value>False.</value>
    /// </summary>
    public bool Sparse { get; init; }

    /// <inheritdoc/>
    protected override bool TakesGradients => true;

    /// <inheritdoc/>
    private protected override void Divide() => State(0).Divided = new DividedColumns(Prefix + "window", Ranks);

    /// <inheritdoc/>
    /// <exception cref="CurvatureException">The window does not fit the memory or the state that was loaded, or groups were added after the first step.</exception>
    protected override IReadOnlyList<Tensor?> Prepare(IReadOnlyList<Tensor?> gradient, IReadOnlyList<Tensor?> curvature)
    {
        ParameterSpace space = new(Parameters.Select((p, i) => (FormattableString.Invariant($"{i}"), (Tensor)p)));
        double[] l2 = [.. _parameter_groups.SelectMany(group => group.Parameters.Select(_ => ((MfacOptimizerOptions)group.Options).L2!.Value))];
        Tensor g = space.Flatten([.. Parameters.Select((p, i) => gradient[i] is not { } own ? zeros_like(p) : l2[i] > 0 ? own.add(p, l2[i]) : own)]);
        MfacWindow window = Window(space);
        Tensor direction = window.Step(g);
        Keep(window);
        if (NormRescale)
        {
            direction.mul_(Precision.RowNorms(g).div_(Precision.RowNorms(direction).clamp_min(1e-30)));
        }

        return space.Split(direction);
    }

    /// <inheritdoc/>
    protected override void Update(Parameter parameter, Tensor g, Tensor? D, NamedState state, MfacOptimizerOptions options)
    {
        (double lr, double b) = (options.LearningRate!.Value, options.Momentum!.Value);
        Tensor v = b > 0 ? state.Zeros("v").mul_(b).add_(D!, 1 - b) : D!;
        if (options.WeightDecay > 0)
        {
            parameter.mul_(1 - (lr * options.WeightDecay.Value));
        }

        parameter.add_(v, -lr);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _window?.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Puts the window into the first parameter's state, under live handles.</summary>
    private void Keep(MfacWindow window)
    {
        NamedState state = State(0);
        IReadOnlyDictionary<string, Tensor> entries = window.StateDict();
        foreach (string name in (string[])["window", "gram", "factor"])
        {
            state.Keep(Prefix + name, entries[name]);
        }

        (_rows, state[Prefix + "insertions"]) = (state.Find(Prefix + "window"), window.Insertions);
    }

    /// <summary>The window whose rows are the state's: where a state was loaded or moved, one over those rows.</summary>
    private MfacWindow Window(ParameterSpace space)
    {
        NamedState state = State(0);
        Tensor? rows = state.Find(Prefix + "window");
        if (_window is null || !ReferenceEquals(rows, _rows))
        {
            _window?.Dispose();
            _window = new MfacWindow(_gradients, space.Count, space.DType, space.Device, _windowOptions with { Mask = Mask(space) }, Ranks, rows);
            if (rows is not null)
            {
                Dictionary<string, Tensor> saved = new() { ["window"] = rows, ["insertions"] = tensor(state[Prefix + "insertions"]) };
                foreach (string name in (string[])["gram", "factor"])
                {
                    _ = state.Find(Prefix + name) is { } part ? saved[name] = part.cpu() : null;
                }

                _window.LoadStateDict(saved);
            }
        }

        return _window.Columns == space.Count ? _window : throw new CurvatureException(
            $"The window holds gradients of {_window.Columns} parameters, and now there are {space.Count}: add all groups before the first step.");
    }

    private Tensor? Mask(ParameterSpace space)
    {
        if (_windowOptions.Mask is not null || !Sparse)
        {
            return _windowOptions.Mask;
        }

        NamedState state = State(0);
        if (state.Find(Prefix + "mask") is null)
        {
            state.Set(Prefix + "mask", space.Snapshot().ne(0));
        }

        return state.Find(Prefix + "mask");
    }
}
