using Curvature.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// Records the layers of a model while it is evaluated for a backward pass that an optimizer does not make itself: a tape for each call of the model in train mode with gradients on; others leave no trace. A tape holds the graph
/// of its call: of those that no backward pass has reached the latest are kept (<see cref="MostWaiting"/>), so that calls without one, which should be made without gradients, do not pile up.
/// </summary>
internal sealed class StepRecorder : IDisposable
{
    /// <summary>Calls that wait for their backward pass at most.</summary>
    public const int MostWaiting = 32;

    private readonly Func<LayerTape?> _begin;
    private readonly List<LayerTape> _tapes = [];
    private readonly List<Action> _removals = [];
    private LayerTape? _afterForgotten; // the oldest that was kept when others were forgotten: if a backward pass reaches it, it may have reached them

    /// <param name="model">One that <see cref="CanRecord"/>.</param>
    /// <param name="begin">Begins a tape whose calls keep their gradients; null where none is wanted now.</param>
    public StepRecorder(nn.Module model, Func<LayerTape?> begin)
    {
        _begin = begin;
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
    /// <exception cref="CurvatureException">A backward pass went through more calls than are kept.</exception>
    public IReadOnlyList<LayerTape> Take()
    {
        if (_afterForgotten is { } oldest && IsReached(oldest))
        {
            Clear();
            throw new CurvatureException($"A backward pass went through more than {MostWaiting} calls of the model, and what its layers saw is kept of so many. Call backward() for each part of the batch, or take the forms of a step that are given the loss.");
        }

        LayerTape[] all = [.. _tapes];
        _tapes.Clear();
        _afterForgotten = null;
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
            _afterForgotten = tape == _afterForgotten ? null : _afterForgotten; // what came before it was reached with it
        }
    }

    /// <summary>Forgets what was recorded.</summary>
    public void Clear()
    {
        _tapes.ForEach(tape => tape.Dispose());
        _tapes.Clear();
        _afterForgotten = null;
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
        LayerTape[] waiting = _tapes.Count > MostWaiting ? [.. _tapes.Where(tape => !IsReached(tape))] : [];
        if (waiting.Length > MostWaiting)
        {
            waiting[0].Dispose();
            _tapes.Remove(waiting[0]);
            _afterForgotten = waiting[1];
        }
    }

    private void End(nn.Module model) => _tapes.LastOrDefault()?.Stop();
}
