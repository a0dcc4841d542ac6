using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// Cuts a model's graph while it is evaluated: each of the hooked layers hands on a leaf with its output's values, so that what the layer was given leads back to earlier leaves and no further. Hooks fire on
/// <c>call</c>, not on <c>forward</c>. Where the model writes in place to what it is handed, that must be a copy. What was recorded is disposed with the tape unless it is taken.
/// </summary>
internal sealed class CutTape : IDisposable
{
    /// <summary>Entries of a layer's input or output that are looked at for what hooks change in a batch.</summary>
    private const long EntriesSummed = 1 << 16;

    private readonly List<CutPoint> _points = [];
    private readonly List<Action> _removals = [];
    private readonly List<Tensor> _changed = [];
    private readonly Stack<(Tensor Given, Tensor Input)> _open = [];

    private readonly ModelCuts _cuts;
    private readonly bool _copies;

    /// <param name="cuts">The layers to cut at. Where the model writes in place, copies of the leaves are handed on; else the engine refuses such writes, a leaf being what they would change.</param>
    public CutTape(ModelCuts cuts)
    {
        (_cuts, _copies) = (cuts, cuts.WritesInPlace);
        foreach (nn.Module<Tensor, Tensor> layer in cuts.Layers)
        {
            _removals.Add(layer.register_forward_pre_hook(Enter).remove);
            _removals.Add(layer.register_forward_hook(Leave).remove);
        }
    }

    /// <summary>Whether a hook changed the shape of what a layer returned.</summary>
    public bool HooksChangeShapes { get; private set; }

    /// <summary>Whether a hook changed what a layer returned, a Boolean scalar of the current scope, for which the host has not waited: there a layer's output is not what its input makes of it. Null where no layer was called.</summary>
    public Tensor? HooksChangeOutputs => _changed.Count == 0 ? null : stack(_changed).any();

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

        if (Differs(layer, input, output) is { } changed)
        {
            _changed.Add(changed);
        }
        else
        {
            HooksChangeShapes = true;
        }

        // Layers that are given the same tensor share what leads to it.
        int source = _points.FindIndex(point => ReferenceEquals(point.Given, given)), direct = _copies ? -1 : _points.FindIndex(point => ReferenceEquals(point.Handed, given)); // copies may have been written to
        Tensor leaf = output.detach().requires_grad_().DetachFromDisposeScope(), handed = _copies ? leaf.clone() : leaf.alias();
        _points.Add(new CutPoint(layer, given, handed, source < 0 ? _points.Count : source, direct, input, output.alias().DetachFromDisposeScope(), leaf));
        return handed;
    }

    /// <summary>
    /// Whether an output is another than the layer gives without its hooks: a Boolean scalar of no scope, null where even the shape is another. On trial each row is asked for; in each batch, where hooks may change some rows only, a
    /// sum of its rows, of as many as are no dearer than a row of an image (Freivalds 1977, Probabilistic Machines Can Use Less Running Time: a product that is wrong is wrong along almost any vector).
    /// </summary>
    private Tensor? Differs(nn.Module<Tensor, Tensor> layer, Tensor input, Tensor output)
    {
        using DisposeScope scope = NewDisposeScope();
        using IDisposable noGrad = no_grad();
        (Tensor a, Tensor o) = (input.detach(), output.detach());
        bool sums = !_cuts.IsOnTrial && _cuts.HasSamples(layer, a) && a.numel() > 0 && o.numel() > 0;
        if (sums && (o.dim() < 1 || o.shape[0] != a.shape[0]))
        {
            return null;
        }

        (a, o) = sums ? SumsOfRows(a, o) : (a, o);
        Tensor own = layer.forward(a);
        if (!own.shape.SequenceEqual(o.shape))
        {
            return null;
        }

        if (own.numel() == 0)
        {
            return zeros([], ScalarType.Bool, o.device).DetachFromDisposeScope();
        }

        // What is finite in one of both only differs by infinity; where neither is, nothing is told.
        Tensor isFinite = o.isfinite(), size = o.abs().masked_fill(isFinite.logical_not(), 0).max();
        Tensor difference = own.sub(o).abs().masked_fill(own.isfinite().ne(isFinite), double.PositiveInfinity);
        return difference.sub(size.mul(Rounding(o, sums))).gt(0).any().DetachFromDisposeScope();
    }

    /// <summary>The part of the largest entry that rounding may change: a sum's rounding is not that of its rows, and on a GPU convolutions may round factors to 10 bits.</summary>
    private static double Rounding(Tensor output, bool sums) => output.dtype == ScalarType.Float64 ? (sums ? 1e-9 : 1e-12) : !sums ? 1e-5 : output.device.type == DeviceType.CPU ? 1e-4 : 1e-2;

    /// <summary>The same sum of rows, of factors without structure that sum to one, of what a layer was given and returned.</summary>
    private static (Tensor Given, Tensor Returned) SumsOfRows(Tensor given, Tensor returned)
    {
        long n = given.shape[0], rows = Math.Clamp(EntriesSummed * n / Math.Max(given.numel(), returned.numel()), 1, n), step = n / rows;
        rows = (n + step - 1) / step;
        Tensor chosen = arange(rows, ScalarType.Int64, given.device).mul(step);
        Tensor factors = arange(rows, ScalarType.Float64, given.device).add(1).sqrt().mul(8).sin().softmax(0).to(given.dtype).unsqueeze(0);
        Tensor Sum(Tensor x) => factors.mm((step == 1 ? x : x.index_select(0, chosen)).reshape(rows, -1)).reshape([1, .. x.shape.Skip(1)]);
        return (Sum(given), Sum(returned));
    }
}
