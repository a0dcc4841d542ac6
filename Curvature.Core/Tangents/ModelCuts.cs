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

    /// <summary>The layers, without those whose weight is frozen at present.</summary>
    public IEnumerable<nn.Module<Tensor, Tensor>> Layers => _layers.Where(layer => layer.Value.WeightOf(layer.Key)!.requires_grad).Select(layer => (nn.Module<Tensor, Tensor>)layer.Key);

    /// <summary>
    /// Why cutting would not pay, as a clause; null where it does: no layer to cut at, or convolutions between the layers, whose second derivatives cost more in pieces than in one.
    /// </summary>
    public string? Futility
    {
        get
        {
            int uncut = _convolutions.FirstOrDefault(i => Space.Parameters[i].requires_grad, -1);
            return !Layers.Any() ? "no chosen parameter is the weight of a linear layer"
                : uncut >= 0 ? $"'{Space.Names[uncut]}' is the weight of a convolution"
                : null;
        }
    }

    /// <summary>Begins to cut: until it is stopped, evaluations of the model go on from leaves in place of the layers' outputs.</summary>
    public CutTape Cut() => new(Layers);

    /// <summary>What a call of one of the layers is to derivatives.</summary>
    /// <param name="layer">One of <see cref="Layers"/>.</param>
    /// <param name="input">Its input, without graph.</param>
    public BilinearCall Call(nn.Module layer, Tensor input) => _layers[layer].Call(layer, input, Space);

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
