using Curvature.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// Records the layers of a model while it is evaluated for a backward pass that an optimizer does not make itself: a tape for each call of the model in train mode with gradients on; others leave no trace. A tape holds the graph
/// of its call: of those that no backward pass has reached so many are kept as the optimizer says, so that calls without one, which should be made without gradients, do not pile up without end. Where some were forgotten it
/// cannot be told whether a later backward pass went through them, and the step is refused.
/// </summary>
internal sealed class StepRecorder : IDisposable
{
    private readonly Func<LayerTape?> _begin;
    private readonly List<LayerTape> _tapes = [];
    private readonly List<Action> _removals = [];
    private readonly Func<int> _mostWaiting;
    private bool _hasForgotten;

    /// <param name="model">One that <see cref="CanRecord"/>.</param>
    /// <param name="begin">Begins a tape whose calls keep their gradients; null where none is wanted now.</param>
    /// <param name="mostWaiting">Calls that wait for their backward pass at most.</param>
    public StepRecorder(nn.Module model, Func<LayerTape?> begin, Func<int> mostWaiting)
    {
        (_begin, _mostWaiting) = (begin, mostWaiting);
        switch (model)
        {
            case nn.Module<Tensor, Tensor> one:
                _removals.Add(one.register_forward_pre_hook((Action<nn.Module>)Begin).remove);
                _removals.Add(one.register_forward_hook((Action<nn.Module>)End).remove);
                break;
            case nn.Module<Tensor, Tensor, Tensor> two:
                _removals.Add(two.register_forward_pre_hook((Action<nn.Module>)Begin).remove);
                _removals.Add(two.register_forward_hook((Action<nn.Module>)End).remove);
                break;
            default:
                throw new CurvatureException($"A {model.GetType().Name} is not called with one or two tensors: what its layers see cannot be recorded by hooks. Take the forms of a step that are given the loss.");
        }
    }

    /// <summary>Whether there are hooks for it: a model that is called with one tensor or two.</summary>
    public static bool CanRecord(nn.Module model) => model is nn.Module<Tensor, Tensor> or nn.Module<Tensor, Tensor, Tensor>;

    /// <summary>Hands over the tapes that a backward pass has reached, and forgets the others.</summary>
    /// <returns>The caller's to dispose.</returns>
    /// <exception cref="CurvatureException">More calls than are kept have waited for a backward pass; all are forgotten then.</exception>
    public IReadOnlyList<LayerTape> Take()
    {
        if (_hasForgotten)
        {
            Clear();
            throw new CurvatureException(FormattableString.Invariant($"Since the last step more than {_mostWaiting()} calls of the model in train mode waited for a backward pass, and what layers saw is kept of so many. ")
                + "Evaluate within no_grad() or in eval mode what gets no backward pass, call backward() for each part of the batch, or raise MostWaitingCalls.");
        }

        LayerTape[] all = [.. _tapes];
        _tapes.Clear();
        LayerTape[] reached = [.. all.Where(IsReached)];
        foreach (LayerTape tape in all)
        {
            tape.Stop();
            if (!reached.Contains(tape))
            {
                tape.Dispose();
            }
        }

        return reached;
    }

    /// <summary>Forgets the tapes that a backward pass has reached.</summary>
    public void Forget()
    {
        foreach (LayerTape tape in _tapes.Where(IsReached).ToList())
        {
            tape.Dispose();
            _tapes.Remove(tape);
        }
    }

    /// <summary>Forgets what was recorded.</summary>
    public void Clear()
    {
        _tapes.ForEach(tape => tape.Dispose());
        _tapes.Clear();
        _hasForgotten = false;
    }

    public void Dispose()
    {
        _removals.ForEach(remove => remove());
        _removals.Clear();
        Clear();
    }

    private static bool IsReached(LayerTape tape)
    {
        using DisposeScope scope = NewDisposeScope();
        return tape.Calls.Any(call => call.Output.grad is not null);
    }

    private void Begin(nn.Module model)
    {
        End(model);
        if (model.training && is_grad_enabled() && _begin() is { } tape)
        {
            _tapes.Add(tape);
            ForgetOldest();
        }
    }

    private void ForgetOldest()
    {
        int most = _mostWaiting();
        LayerTape[] waiting = _tapes.Count > most ? [.. _tapes.Where(tape => !IsReached(tape))] : [];
        foreach (LayerTape oldest in waiting.SkipLast(most))
        {
            oldest.Dispose();
            _tapes.Remove(oldest);
            _hasForgotten = true;
        }
    }

    private void End(nn.Module model) => _tapes.LastOrDefault()?.Stop();
}
