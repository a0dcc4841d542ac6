using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>
/// What chosen layers were given and what they returned, call by call, while the tape runs. It hooks the layers (hooks fire on <c>call</c>, not on
/// <c>forward</c>) and hands on a copy of each output, so that nothing that later writes in place reaches what is recorded. Dispose it to
/// release the recorded tensors.
/// </summary>
internal sealed class LayerTape : IDisposable
{
    private readonly List<LayerCall> _calls = [];
    private readonly List<Action> _removals;

    private readonly bool _retainGradients;

    /// <param name="layers">The layers to record.</param>
    /// <param name="retainGradients">Whether a backward pass leaves gradients on the outputs.</param>
    public LayerTape(IEnumerable<nn.Module<Tensor, Tensor>> layers, bool retainGradients = false)
    {
        _retainGradients = retainGradients;
        _removals = [.. layers.Select(layer => (Action)layer.register_forward_hook(Record).remove)];
    }

    /// <summary>The calls with a graph, in order.</summary>
    public IReadOnlyList<LayerCall> Calls => _calls;

    /// <summary>Takes the hooks out.</summary>
    public void Stop()
    {
        _removals.ForEach(remove => remove());
        _removals.Clear();
    }

    public void Dispose()
    {
        Stop();
        foreach (LayerCall call in _calls)
        {
            call.Input.Dispose();
            call.Output.Dispose();
        }
    }

    private Tensor Record(nn.Module<Tensor, Tensor> layer, Tensor input, Tensor output)
    {
        if (!output.requires_grad)
        {
            return output;
        }

        if (_retainGradients)
        {
            output.retain_grad();
        }

        _calls.Add(new LayerCall(layer, input.detach().DetachFromDisposeScope(), output.DetachFromDisposeScope()));
        return output.clone();
    }
}
