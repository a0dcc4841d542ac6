using System.Runtime.ExceptionServices;
using Curvature.Layers;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// An optimizer that looks at what a model's layers are given and give back, on the steps that update its statistics. Where it evaluates the loss itself (<c>Step</c>) a tape runs meanwhile; where the caller does
/// (<c>loss.backward(); step()</c>), hooks on the model record each pass in train mode with gradients on. Passes whose gradients <c>zero_grad</c> sets to zero are forgotten with them. Calls that no backward pass reaches
/// are kept until the next step, up to <see cref="MostWaitingCalls"/>: evaluate without gradients, or in eval mode. A layer that has a gradient and was not called (<c>forward</c> in the place of <c>call</c>) is an error by its name. Dispose it to
/// take out the hooks.
/// </summary>
/// <typeparam name="TOptions">Hyperparameters of a group.</typeparam>
public abstract class LayerOptimizer<TOptions> : CurvatureOptimizer<TOptions> where TOptions : CurvatureOptimizerOptions, new()
{
    private StepRecorder? _recorder;
    private LayerTape? _tape; // of the part that is being differentiated
    private bool _evaluates;
    private Exception? _unrecorded; // what went wrong in a call of the caller's, to be told in the step, where all ranks hear of it

    private protected LayerOptimizer(nn.Module model, IEnumerable<ParamGroup> groups, TOptions? options, TOptions defaults) : base(groups, options, defaults) => Model = model;

    /// <summary>The model whose layers are recorded.</summary>
    private protected nn.Module Model { get; }

    /// <value>
    /// Before <c>loss.backward(); step()</c>: how many calls of the model in train mode with gradients on may wait for their backward pass. Each holds its graph. Where more wait, as in an evaluation for which gradients were left on, the oldest are forgotten, and the
    /// step is refused: whether its gradient went through them cannot be told. From 1; default 1024.
    /// </value>
    /// <exception cref="CurvatureException">Below 1.</exception>
    public int MostWaitingCalls
    {
        get;
        set => field = value >= 1 ? value : throw new CurvatureException(FormattableString.Invariant($"{nameof(MostWaitingCalls)} should be a number of calls from 1; got {value}."));
    } = 1024;

    /// <summary>Whether this step updates the statistics.</summary>
    private protected abstract bool Updates { get; }

    /// <summary>The statistics of this step.</summary>
    private protected abstract ILayerRecorder Recorded { get; }

    /// <inheritdoc/>
    public override void zero_grad()
    {
        _recorder?.Forget();
        base.zero_grad();
    }

    /// <summary>Begins to look at the caller's own passes, where there are steps along their gradients.</summary>
    private protected void RecordPasses() =>
        _recorder = TakesGradients ? new StepRecorder(Model, Tape, () => MostWaitingCalls) : null;

    /// <summary>Forgets the caller's passes: they were recorded for other statistics.</summary>
    private protected void ForgetPasses()
    {
        _recorder?.Clear();
        _unrecorded = null; // what went wrong did so with those
    }

    /// <inheritdoc/>
    protected override void Begin()
    {
        ILayerRecorder recorded = Recorded; // first: where a state was loaded meanwhile, errors of calls before that are forgotten here
        if (_unrecorded is { } error)
        {
            _unrecorded = null;
            ExceptionDispatchInfo.Throw(error);
        }

        recorded.Abandon();
    }

    /// <inheritdoc/>
    protected sealed override IReadOnlyList<Tensor?> Differentiate(LossPass pass)
    {
        Look(pass);
        if (_tape is null)
        {
            return base.Differentiate(pass);
        }

        using LayerTape tape = _tape;
        _tape = null;
        IReadOnlyList<Tensor?> gradient = Take(pass, tape);
        RequireCalled([tape], gradient);
        return gradient;
    }

    /// <inheritdoc/>
    /// <returns>What the statistics would get, to be looked at.</returns>
    protected sealed override IReadOnlyList<Tensor?> Complete(IReadOnlyList<Tensor?> gradient)
    {
        if (Updates)
        {
            Recorded.Complete(Ranks);
        }

        _recorder?.Clear(); // of whichever form the step is: calls before it wait no longer
        return [.. Recorded.Brought.Where(sum => sum.dtype == Parameters[0].dtype)];
    }

    /// <inheritdoc/>
    private protected sealed override void TakePasses(IReadOnlyList<Tensor?> gradient)
    {
        if (!Updates)
        {
            return;
        }

        IReadOnlyList<LayerTape> tapes = _recorder!.Take();
        try
        {
            Take(tapes, gradient);
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

    /// <summary>The gradients of a call's outputs in the caller's backward pass, times what this rank's loss counts.</summary>
    private protected Tensor?[] OfCalls(LayerTape tape) => [.. tape.Calls.Select(call => ShardWeight == 1 ? call.Output.grad : call.Output.grad?.mul(ShardWeight))];

    /// <summary>Looks at a part before it is differentiated.</summary>
    private protected virtual void Look(LossPass pass)
    {
    }

    /// <summary>The gradient of one part, its statistics taken in.</summary>
    private protected abstract IReadOnlyList<Tensor?> Take(LossPass pass, LayerTape tape);

    /// <summary>Takes in the caller's passes since the last step; their backward passes are done.</summary>
    private protected abstract void Take(IReadOnlyList<LayerTape> tapes, IReadOnlyList<Tensor?> gradient);

    /// <inheritdoc/>
    private protected override LossPass Evaluate(Func<LossPass> evaluate, int part)
    {
        _tape?.Dispose();
        _tape = Updates ? Recorded.Tape() : null;
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
        }

        base.Dispose(disposing);
    }

    /// <summary>A tape for a call that the caller makes; null where none is wanted. What goes wrong here, on one rank maybe, is kept for the step: the others would wait there for one that has left.</summary>
    private LayerTape? Tape()
    {
        LayerTape? tape = null;
        if (!_evaluates && Updates)
        {
            _unrecorded = Alone(() => tape = Recorded.Tape(retainGradients: true)) ?? _unrecorded;
        }

        return tape;
    }

    private void RequireCalled(IReadOnlyList<LayerTape> tapes, IReadOnlyList<Tensor?> gradient)
    {
        foreach (int i in Recorded.Uncalled(tapes))
        {
            if (gradient[i] is { } g && g.ne(0).any().ToBoolean())
            {
                Recorded.Abandon();
                throw new CurvatureException($"The parameter '{Recorded.NameOf(i)}' has a gradient, but its layer was not called: its hook did not fire. Evaluate the model in train mode, and layers by call(), not by forward().");
            }
        }
    }
}
