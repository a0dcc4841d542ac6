using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// Cuts a model's graph while it is evaluated: each of the hooked layers hands on a leaf with its output's values, so that what the layer was given leads back to earlier leaves and no further. Hooks fire on
/// <c>call</c>, not on <c>forward</c>. Where the model writes in place to what it is handed, that must be a copy. What was recorded is disposed with the tape unless it is taken.
/// </summary>
internal sealed class CutTape : IDisposable
{
    private readonly List<CutPoint> _points = [];
    private readonly List<Action> _removals = [];
    private readonly List<Tensor> _changed = [];
    private readonly Stack<(Tensor Given, Tensor Input)> _open = [];

    private readonly bool _copies, _checksAll;

    /// <param name="layers">The layers to cut at.</param>
    /// <param name="copies">Whether copies of the leaves are handed on; else the engine refuses writes in place, a leaf being what they would change.</param>
    /// <param name="checksAll">Whether all layers are asked for what hooks change, or linear ones alone.</param>
    public CutTape(IEnumerable<nn.Module<Tensor, Tensor>> layers, bool copies, bool checksAll)
    {
        (_copies, _checksAll) = (copies, checksAll);
        foreach (nn.Module<Tensor, Tensor> layer in layers)
        {
            _removals.Add(layer.register_forward_pre_hook(Enter).remove);
            _removals.Add(layer.register_forward_hook(Leave).remove);
        }
    }

    /// <summary>Whether a hook changed what a layer returned, for one host synchronisation: there a layer's output is not what its input makes of it.</summary>
    public bool HooksChangeOutputs => _changed.Count > 0 && stack(_changed).any().ToBoolean();

    /// <summary>The calls that were cut, in order; from now on the caller's to dispose.</summary>
    public CutPoint[] Take()
    {
        CutPoint[] taken = [.. _points];
        _points.Clear();
        return taken;
    }

    /// <summary>Takes the hooks out.</summary>
    public void Dispose()
    {
        _removals.ForEach(remove => remove());
        _removals.Clear();
        _points.ForEach(point => point.Dispose());
        foreach ((_, Tensor input) in _open)
        {
            input.Dispose(); // a layer failed
        }

        _changed.ForEach(answer => answer.Dispose());
    }

    /// <summary>Gives the layer a handle of our own, which nobody else disposes: its graph is differentiated in it.</summary>
    private Tensor Enter(nn.Module<Tensor, Tensor> layer, Tensor given)
    {
        _open.Push((given, given.alias().DetachFromDisposeScope()));
        return _open.Peek().Input;
    }

    private Tensor Leave(nn.Module<Tensor, Tensor> layer, Tensor _, Tensor output)
    {
        (Tensor given, Tensor input) = _open.Pop();
        if (!output.requires_grad)
        {
            input.Dispose();
            return output; // evaluated without gradients: a constant
        }

        // Layers that are given the same tensor share what leads to it.
        if (_checksAll || layer is Linear)
        {
            _changed.Add(Differs(layer, input, output));
        }

        int source = _points.FindIndex(point => ReferenceEquals(point.Given, given)), direct = _copies ? -1 : _points.FindIndex(point => ReferenceEquals(point.Handed, given)); // copies may have been written to
        Tensor leaf = output.detach().requires_grad_().DetachFromDisposeScope(), handed = _copies ? leaf.clone() : leaf.alias();
        _points.Add(new CutPoint(layer, given, handed, source < 0 ? _points.Count : source, direct, input, output.alias().DetachFromDisposeScope(), leaf));
        return handed;
    }

    /// <summary>
    /// Whether an output is another than the layer gives without its hooks, which may change some rows of some batches: a Boolean scalar of no scope. Asked of linear layers in each batch; once more through a convolution would
    /// cost a third of a gradient, and what hooks change there is seen on the two rows of the trial.
    /// </summary>
    private static Tensor Differs(nn.Module<Tensor, Tensor> layer, Tensor input, Tensor output)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        Tensor own = layer.forward(input.detach()), given = output.detach();
        bool sameShape = own.shape.SequenceEqual(given.shape);
        if (!sameShape || own.numel() == 0)
        {
            return tensor(!sameShape, device: output.device).DetachFromDisposeScope();
        }

        double rounding = own.dtype == ScalarType.Float64 ? 1e-12 : 1e-5;
        return own.sub(given).abs().max().sub(given.abs().max().mul(rounding)).gt(0).DetachFromDisposeScope();
    }
}
