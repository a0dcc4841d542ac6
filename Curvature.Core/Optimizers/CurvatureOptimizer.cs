using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// A TorchSharp optimizer that takes the loss itself and makes gradient and curvature from it: <c>step(() => loss)</c>, which is <see cref="Step(Func{Tensor})"/>, with no <c>backward</c> in the function
/// (one is found and refused). Groups, learning-rate schedulers, <c>state_dict</c>, <c>save_state_dict</c> and <c>to(device)</c> work as for TorchSharp's own.
/// <para>
/// A parameter that is frozen, or that the loss does not depend on, stays as it is. A step whose loss, gradient or curvature holds NaN or infinity changes nothing and is counted
/// (<see cref="SkippedSteps"/>); finding out is the one host synchronisation of a step. Every <c>.grad</c> is left as it was.
/// </para>
/// <para>
/// Where a method needs no more than the gradient (<see cref="TakesGradients"/>), <c>loss.backward(); step()</c> makes the same step from the <c>.grad</c>s that are there.
/// </para>
/// <para>
/// Saved state goes on bit for bit: random draws depend on (seed, step) alone. What is given to the constructor or set beside it (seed, interval, source of curvature) is not in the file: give the
/// same again. Parameters share one floating dtype and device.
/// </para>
/// <para>
/// With several <see cref="ICurvatureOptimizer.Ranks"/> each gives its part of the step's batch, and the step is that of the whole on all of them: gradients, curvature and loss are summed over the ranks, a sum each, with
/// every rank's weight exact. Parameters are the same bits on all ranks, and those of one process with the whole batch up to the order of summation; so is the state, but for
/// what ranks hold between them (M-FAC's window, KFAC's factors and inverses).
/// </para>
/// </summary>
/// <typeparam name="TOptions">Hyperparameters of a group.</typeparam>
#pragma warning disable CA1708 // step is TorchSharp's name, Step this library's, and they mean the same.
public abstract partial class CurvatureOptimizer<TOptions> : OptimizerHelper, ICurvatureOptimizer where TOptions : CurvatureOptimizerOptions, new()
{
#pragma warning restore CA1708
    private readonly List<Parameter> _parameters = [];
    private readonly List<NamedState> _states = []; // found by position too: a parameter that was disposed has no handle to look its state up by

    /// <param name="groups">Parameters with their options; null options, and null values in them, are the defaults.</param>
    /// <param name="options">Of all groups; null values are the method's own.</param>
    /// <param name="defaults">The method's own.</param>
    /// <exception cref="CurvatureException">No parameter, one that comes twice, mixed dtypes or devices, or options out of their range.</exception>
    protected CurvatureOptimizer(IEnumerable<ParamGroup> groups, TOptions? options, TOptions defaults)
    {
        TOptions filled = Copy(options);
        filled.Fill(defaults);
        _defaults = filled;
        _parameter_groups = new List<ParamGroup>();
        foreach (ParamGroup group in groups)
        {
            add_param_group(group);
        }

        if (_parameters.Count == 0)
        {
            throw new CurvatureException($"{GetType().Name} got no parameters.");
        }
    }

    /// <inheritdoc/>
    public long Steps => State(0)["steps"];

    /// <inheritdoc/>
    public long SkippedSteps => State(0)["skipped"];

    /// <summary>All parameters, group after group.</summary>
    protected IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>Whether the loss is differentiated twice.</summary>
    protected virtual bool DifferentiatesTwice => false;

    /// <summary>Whether <c>step()</c> without a closure steps along the <c>.grad</c>s that a <c>backward()</c> before it left; elsewhere it is refused.</summary>
    protected virtual bool TakesGradients => false;

    /// <summary>Adds a group; what its options leave open is filled from the defaults.</summary>
    /// <param name="param_group">Its options are of the optimizer's type, or give a learning rate only, or are null.</param>
    /// <exception cref="CurvatureException">A parameter that comes twice, mixed dtypes or devices, or options out of their range.</exception>
    public sealed override void add_param_group(ParamGroup param_group)
    {
        List<Parameter> parameters = [.. param_group.Parameters];
        foreach (Parameter parameter in parameters)
        {
            Require(parameter);
            _parameters.Add(parameter);
            _states.Add(new NamedState(parameter));
            _state[parameter.Handle] = _states[^1];
        }

        TOptions options = param_group.Options as TOptions ?? new TOptions { LearningRate = param_group.Options?.LearningRate };
        options.Fill((TOptions)_defaults);
        options.InitialLearningRate = options.LearningRate!.Value;
        param_group.Parameters = parameters;
        param_group.Options = options;
        _isAlike = false;
        _parameter_groups.Add(param_group);
        if (Ranks.Count > 1)
        {
            Divide();
        }
    }

    /// <summary>The same as <see cref="Step(Func{Tensor})"/>; without a closure, where the method takes them, a step along the <c>.grad</c>s that are there. Those stay as they are: <c>zero_grad</c> is the caller's.</summary>
    /// <param name="closure">The loss, forward only; or null, after <c>loss.backward()</c>.</param>
    /// <returns>The loss before the step; null without a closure.</returns>
    /// <exception cref="CurvatureException">No closure, and the method needs the loss or no trainable parameter has a gradient; else as there.</exception>
    public sealed override Tensor step(Func<Tensor> closure = null!)
    {
        if (closure is not null)
        {
            return Step(closure);
        }

        if (!TakesGradients)
        {
            throw new CurvatureException(
                $"{GetType().Name} makes gradient and curvature from the loss: call step(() => loss), without backward(), in the place of loss.backward(); step().");
        }

        TakeGradients();
        return null!;
    }

    /// <inheritdoc/>
    public Tensor Step(Func<Tensor> loss) => Step([loss]);

    /// <inheritdoc/>
    public Tensor Step(IEnumerable<Func<Tensor>> losses)
    {
        Func<Tensor>[] all = [];
        WeighFunctions(() => (all = [.. losses]).Length);
        return Take([.. all.Select(loss => (Func<LossPass>)(() => Pass(loss)))]);
    }

    /// <inheritdoc/>
    public Tensor Step(Func<Tensor> forward, Tensor targets, ICurvatureLoss loss)
    {
        if (Ranks.Count > 1)
        {
            return Step([(forward, targets)], loss);
        }

        (_began, Criterion) = (true, loss);
        return Take([() => Pass(forward, targets, loss, weight: 1, firstRow: 0)]);
    }

    /// <inheritdoc/>
    public Tensor Step(IEnumerable<(Func<Tensor> Forward, Tensor Targets)> parts, ICurvatureLoss loss)
    {
        (_began, Criterion) = (true, loss);
        bool isMean = loss.Reduction == Reduction.Mean;
        List<(Func<Tensor> Forward, Tensor Targets, double Terms, long FirstRow)> all = [];
        long rows = 0;
        int Gather()
        {
            foreach ((Func<Tensor> forward, Tensor targets) in parts)
            {
                all.Add((forward, targets, isMean ? loss.Terms(targets) : targets.numel() == 0 ? 0 : 1, rows));
                rows += targets.dim() == 0 ? 1 : targets.shape[0];
            }

            return all.Count;
        }

        (double terms, long first, _) = Count(Gather, () => (all.Sum(part => part.Terms), rows, 0));

        // A part without terms has a mean of NaN, and no share in the whole; nor is there a whole without any.
        return Take([.. all.Where(part => part.Terms != 0 || terms == 0)
            .Select(part => (Func<LossPass>)(() => Pass(part.Forward, part.Targets, loss, isMean ? part.Terms / terms : 1, first + part.FirstRow)))]);
    }

    /// <summary>What is remembered about a parameter; that of index 0 holds what is remembered about all.</summary>
    protected NamedState State(int index) => _states[index];

    /// <summary>A step begins.</summary>
    protected virtual void Begin()
    {
    }

    /// <summary>Takes in what a backward pass of the caller's has left beside the gradient.</summary>
    /// <param name="gradient">This rank's, times what it counts.</param>
    private protected virtual void TakePasses(IReadOnlyList<Tensor?> gradient)
    {
    }

    /// <summary>The gradient of one part, null where zero, and whatever else the part gives; its graph is not needed afterwards.</summary>
    protected virtual IReadOnlyList<Tensor?> Differentiate(LossPass pass) => Gradients.Of(pass.Loss, pass.Parameters, createGraph: false);

    /// <summary>All parts are in: the curvature, which must be finite too, one entry a parameter; nothing remembered may change yet.</summary>
    /// <param name="gradient">The whole gradient.</param>
    protected virtual IReadOnlyList<Tensor?> Complete(IReadOnlyList<Tensor?> gradient) => [];

    /// <summary>All is finite and the step will be taken: what is remembered about all may change now. Once a step, before any <see cref="Update(Parameter, Tensor, Tensor, NamedState, TOptions)"/>.</summary>
    /// <param name="gradient">The whole gradient, null where zero; not to be written to.</param>
    /// <param name="curvature">What <see cref="Complete"/> gave.</param>
    /// <returns>What an update gets as D: an entry a parameter, or none.</returns>
    protected virtual IReadOnlyList<Tensor?> Prepare(IReadOnlyList<Tensor?> gradient, IReadOnlyList<Tensor?> curvature) => curvature;

    /// <summary>Changes one parameter and its state, without graph.</summary>
    /// <param name="parameter">The parameter.</param>
    /// <param name="g">Its gradient, without graph; not to be written to.</param>
    /// <param name="D">What <see cref="Prepare"/> gave for it.</param>
    /// <param name="state">Its state.</param>
    /// <param name="options">Its group's, all filled.</param>
    protected abstract void Update(Parameter parameter, Tensor g, Tensor? D, NamedState state, TOptions options);

    /// <summary>Whether this step's loss may be evaluated once more after it: what the model draws on the CPU (dropout) is then drawn again. TorchSharp gives no hold of a GPU's random state: there it draws anew.</summary>
    private protected virtual bool MayLookBack => false;

    /// <summary>Whether the loss of the step that was just taken is to be evaluated once more, on the same batch.</summary>
    private protected virtual bool LooksBack => false;

    /// <summary>Holds what such an evaluation would move, and puts it back on disposal; null where there is nothing.</summary>
    private protected virtual IDisposable? Preserve() => null;

    /// <summary>Told the loss before and after such a step.</summary>
    private protected virtual void LookBack(Tensor before, Tensor after)
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _states.ForEach(state => state.Dispose());
        }

        base.Dispose(disposing);
    }

    /// <summary>The options given, or new ones, with the same values in an object of their own.</summary>
    private static TOptions Copy(TOptions? options)
    {
        TOptions copy = new();
        if (options is not null)
        {
            copy.LoadStateDict(options);
        }

        return copy;
    }

    private void Require(Parameter parameter)
    {
        string which = $"Parameter {_parameters.Count} of {GetType().Name}, [{string.Join(", ", parameter.shape)}] of {parameter.dtype} on {parameter.device},";
        if (_state.ContainsKey(parameter.Handle))
        {
            throw new CurvatureException($"{which} was given before: a tied parameter comes once.");
        }

        Tensor like = _parameters.Count > 0 ? _parameters[0] : parameter;
        if (!parameter.is_floating_point() || parameter.dtype != like.dtype || parameter.device.type != like.device.type || parameter.device.index != like.device.index)
        {
            throw new CurvatureException($"{which} should be of one floating dtype and device with the others, {like.dtype} on {like.device}.");
        }
    }
}
