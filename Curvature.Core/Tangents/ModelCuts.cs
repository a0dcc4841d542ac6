using Curvature.Tensors;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>
/// The layers of a model at whose outputs its graph is cut: those of a known bilinear kind (<see cref="KnownBilinearLayers"/>) whose weight is among the parameters. Whatever lies between them, parameters of other kinds
/// included, is left to automatic differentiation.
/// </summary>
internal sealed class ModelCuts : IDisposable
{
    private readonly Dictionary<nn.Module, IBilinearLayer> _layers = [];
    private readonly List<int> _convolutions = [];
    private readonly Random _factors = new(1);
    private Tensor? _direction;

    /// <param name="space">The chosen parameters.</param>
    /// <param name="model">The model; TorchScript, which has no hooks, has no layers here.</param>
    public ModelCuts(ParameterSpace space, nn.Module model)
    {
        Space = space;
        foreach (nn.Module module in model is jit.ScriptModule ? [] : model.modules().Prepend(model).Distinct())
        {
            IBilinearLayer? kind = KnownBilinearLayers.KindOf(module);
            if (kind is null && module is not Convolution)
            {
                continue;
            }

            // All positions are looked up before there is any graph: telling two handles apart may write to them.
            int[] own = [.. module.parameters(recurse: false).Select(space.IndexOf)];
            if (kind is null)
            {
                _convolutions.AddRange(own.Where(i => i >= 0 && space.Parameters[i].dim() > 2));
            }
            else if (space.IndexOf(kind.WeightOf(module)!) >= 0)
            {
                _layers[module] = kind;
            }
        }
    }

    /// <summary>The chosen parameters.</summary>
    public ParameterSpace Space { get; }

    /// <summary>The layers, without those whose weight is frozen at present, or that are of their kind no more (batch norms in train mode).</summary>
    public IEnumerable<nn.Module<Tensor, Tensor>> Layers => _layers.Where(layer => layer.Value.WeightOf(layer.Key) is { requires_grad: true }).Select(layer => (nn.Module<Tensor, Tensor>)layer.Key);

    /// <summary>Whether there are convolutions among them.</summary>
    public bool HasConvolutions => _layers.Values.Any(kind => kind is ConvolutionLayers);

    /// <summary>
    /// Why cutting would not pay, as a clause; null where it does: no layer to cut at, or convolutions that are left between the layers, whose second derivatives cost more in pieces than in one.
    /// </summary>
    public string? Futility
    {
        get
        {
            int uncut = _convolutions.FirstOrDefault(i => Space.Parameters[i].requires_grad, -1);
            return !Layers.Any() ? "no chosen parameter is the weight of a layer to cut at (Linear, Conv, BatchNorm in evaluation mode)"
                : uncut >= 0 ? $"'{Space.Names[uncut]}' belongs to a convolution of another kind (transposed, padded to the same size, or with other than zeros)"
                : null;
        }
    }

    /// <summary>Begins to cut: until it is stopped, evaluations of the model go on from leaves in place of the layers' outputs.</summary>
    public CutTape Cut() => new(this);

    /// <value>Whether the model writes in place to what its layers return (an activation in place behind a layer).</value>
    public bool WritesInPlace { get; set; }

    /// <value>Whether cutting is tried, and each layer asked for what hooks change in any of few rows.</value>
    public bool IsOnTrial { get; set; }

    /// <summary>See <see cref="IBilinearLayer.HasSamples"/>.</summary>
    public bool HasSamples(nn.Module layer, Tensor input) => _layers[layer].HasSamples(layer, input);

    /// <summary>What a call of one of the layers is to derivatives.</summary>
    /// <param name="point">A call of one of <see cref="Layers"/>.</param>
    public BilinearCall Call(CutPoint point) => _layers[point.Layer].Call(point, Space);

    /// <summary>
    /// A direction without structure, in the shape of <paramref name="leaf"/>, in the caller's scope: one draw z serves all leaves, each call scales it by a random factor of its own. Equal directions of two leaves would cancel in
    /// <c>f(x - y)</c>; a bilinear form that vanishes at random <c>c (x) z</c> is zero.
    /// </summary>
    public Tensor DirectionLike(Tensor leaf)
    {
        long entries = leaf.numel();
        if (_direction is null || _direction.numel() < entries)
        {
            _direction?.Dispose();
            _direction = Probes.Draw(ProbeKind.Gaussian, entries, 0, 1, 0, leaf.dtype, leaf.device).reshape(-1).DetachFromDisposeScope();
        }

        return _direction.narrow(0, 0, entries).view(leaf.shape).mul(0.5 + _factors.NextDouble());
    }

    public void Dispose() => _direction?.Dispose();
}
