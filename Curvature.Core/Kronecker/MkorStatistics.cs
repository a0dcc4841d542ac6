using Curvature.Layers;
using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>
/// What MKOR sees of a model's layers: for each linear layer or convolution without groups the mean input a (of a convolution the mean patch) and the summed output gradient g of a batch, from the calls of its
/// parts; and its momentum inverses.
/// </summary>
internal sealed class MkorStatistics : ILayerRecorder, IDisposable
{
    private const double Rounding = 32; // units in the last place that a sum of cancelling terms may be off
    private readonly ParameterSpace _space;
    private readonly ModelLayers _model;
    private readonly Dictionary<int, (MkorLayer Layer, int? Bias)> _layers = [];
    private readonly Dictionary<int, (Tensor A, Tensor G, double Rows)> _present = [];
    private readonly MkorFactors? _factors;

    /// <param name="model">The model.</param>
    /// <param name="space">Its parameters.</param>
    /// <param name="options">Of the inverses.</param>
    /// <param name="largest">Inputs or outputs from which on a layer gets none.</param>
    public MkorStatistics(nn.Module model, ParameterSpace space, MkorOptions options, long largest)
    {
        (_space, _model) = (space, new ModelLayers(space, model));
        for (int i = 0; i < space.Parameters.Count; i++)
        {
            if (_model.Obstacles[i] is null && space.Parameters[i].requires_grad && _model.ShapeOf(i) is { IsOneHot: false, Groups: 1 } shape && Math.Max(shape.Inputs, shape.Outputs) <= largest)
            {
                int? bias = _model.BiasOf(i, _model.Obstacles);
                _layers[i] = (new MkorLayer(space.Names[i], shape.Outputs, shape.Inputs, bias is not null), bias);
            }
        }

        _factors = _layers.Count > 0 ? new MkorFactors(_layers.Values.Select(entry => entry.Layer), options, space.DType, space.Device) : null;
    }

    /// <summary>Names of the weights that have inverses.</summary>
    public IReadOnlyList<string> Names => [.. _layers.Keys.Select(NameOf)];

    /// <summary>What the parts have brought; all must be finite for <see cref="Commit"/>.</summary>
    public IEnumerable<Tensor> Brought => _present.Values.SelectMany(v => new[] { v.A, v.G });

    /// <summary>The inverses, by their weight's position and a name; they stay this object's.</summary>
    public IEnumerable<(int Weight, string Key, Tensor Value)> Shared => _factors is null ? [] : _layers.SelectMany(entry => _factors.Kept(entry.Value.Layer.Name).Select(k => (entry.Key, k.Key, k.Value)));

    /// <summary>Their numbers, which change with every update; the caller's.</summary>
    public IEnumerable<(int Weight, string Key, Tensor Value)> Numbers => _factors is null ? [] : _layers.SelectMany(entry => _factors.Numbers(entry.Value.Layer.Name).Select(k => (entry.Key, k.Key, k.Value)));

    /// <summary>A parameter's name.</summary>
    public string NameOf(int i) => _space.Names[i];

    /// <summary>Begins to record the layers.</summary>
    /// <param name="retainGradients">Whether a backward pass leaves gradients on their outputs.</param>
    public LayerTape Tape(bool retainGradients = false) => _model.Record(retainGradients);

    /// <summary>The gradient of a part's value, and what its layers were given and got back: one backward pass.</summary>
    /// <param name="tape">Of the evaluation.</param>
    /// <param name="value">The part's summand of the loss; its graph is freed.</param>
    public Tensor?[] Take(LayerTape tape, Tensor value)
    {
        Tensor?[] g = Gradients.VectorJacobianProduct([value], [ones_like(value.detach())], [.. tape.Calls.Select(c => c.Output), .. _space.Parameters], keepGraph: false);
        Take(tape, g[..tape.Calls.Count]);
        return g[tape.Calls.Count..];
    }

    /// <summary>The same where the backward pass is done.</summary>
    /// <param name="tape">Of the evaluation.</param>
    /// <param name="ofCalls">Gradients of its calls' outputs; null where zero.</param>
    public void Take(LayerTape tape, Tensor?[] ofCalls)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        for (int c = 0; c < ofCalls.Length; c++)
        {
            if (ofCalls[c] is { } gradient && _model.WeightOf(tape.Calls[c], out int weight) is { Inputs: DenseInputs inputs } use && _layers.ContainsKey(weight))
            {
                Add(weight, inputs.Total().squeeze(0), Total(use.Arrange(gradient)).squeeze(0), inputs.Samples * inputs.Positions);
            }
        }
    }

    /// <inheritdoc/>
    public void Complete(IRanks ranks)
    {
        if (ranks.Count == 1 || _layers.Count == 0)
        {
            return;
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Tensor rows = tensor([.. _layers.Keys.Select(weight => _present.GetValueOrDefault(weight).Rows)]);
        ranks.Sum(rows);
        foreach ((int weight, double all) in _layers.Keys.Zip(rows.data<double>().ToArray()))
        {
            if (all > 0)
            {
                MkorLayer layer = _layers[weight].Layer;
                (Tensor A, Tensor G, double) own = _present.TryGetValue(weight, out (Tensor A, Tensor G, double Rows) here) ? here : (Zeros(layer.Inputs), Zeros(layer.Outputs), 0);
                _present[weight] = (own.A, own.G, all);
            }
        }

        ranks.Sum([.. _layers.Keys.Where(_present.ContainsKey).SelectMany(weight => new[] { _present[weight].A, _present[weight].G })]);
    }

    /// <summary>Known layers' weights that no recorded call acts with.</summary>
    public IEnumerable<int> Uncalled(IEnumerable<LayerTape> tapes)
    {
        HashSet<int> called = [.. tapes.SelectMany(tape => tape.Calls).SelectMany(call => _model.ParametersOf(call.Layer))];
        return _layers.Keys.Where(i => !called.Contains(i));
    }

    /// <summary>Updates the inverses of the layers that were called.</summary>
    public void Commit()
    {
        using IDisposable noGrad = no_grad();
        foreach (int weight in _layers.Keys.Where(_present.ContainsKey))
        {
            (Tensor a, Tensor g, double rows) = _present[weight];
            using Tensor mean = a.div(rows);
            _factors!.Update(_layers[weight].Layer.Name, mean, g);
        }

        Abandon();
    }

    /// <summary>Forgets the parts since the last update.</summary>
    public void Abandon()
    {
        foreach ((Tensor a, Tensor g, _) in _present.Values)
        {
            a.Dispose();
            g.Dispose();
        }

        _present.Clear();
    }

    /// <summary>Directions: <c>L^-1 G R^-1</c> of a layer, with G's length where that is asked for; the gradient itself of all else. In the caller's scope.</summary>
    public Tensor?[] Apply(IReadOnlyList<Tensor?> gradient)
    {
        Tensor?[] directions = [.. gradient];
        foreach ((int weight, (MkorLayer layer, int? bias)) in _layers)
        {
            if (gradient[weight] is not { } own)
            {
                continue;
            }

            using DisposeScope scope = NewDisposeScope();
            Tensor G = own.reshape(layer.Outputs, layer.Inputs);
            Tensor column() => (gradient[bias!.Value] ?? zeros_like(_space.Parameters[bias.Value])).unsqueeze(1);
            G = bias is null ? G : cat([G, column()], 1);
            Tensor D = _factors!.Direction(layer.Name, G);
            directions[weight] = D.narrow(1, 0, layer.Inputs).reshape(own.shape).MoveToOuterDisposeScope();
            if (bias is { } b && gradient[b] is not null)
            {
                directions[b] = D.select(1, layer.Inputs).clone().MoveToOuterDisposeScope();
            }
        }

        return directions;
    }

    /// <summary>Takes over inverses and numbers that were saved.</summary>
    public void Load(Func<int, IEnumerable<KeyValuePair<string, Tensor>>> saved)
    {
        Dictionary<string, Tensor> state = _layers.SelectMany(entry => saved(entry.Key).Select(part => KeyValuePair.Create($"{entry.Value.Layer.Name}/{part.Key}", part.Value))).ToDictionary();
        _factors?.LoadStateDict(state);
    }

    public void Dispose()
    {
        Abandon();
        _factors?.Dispose();
    }

    /// <summary>
    /// <c>sum_nt g_nt</c>, zero where the terms cancel to rounding, as those of attention's keys do (a shift of all keys changes nothing): inverses follow vectors of any size, and would follow noise.
    /// </summary>
    private static Tensor Total(Tensor g)
    {
        Tensor sum = g.sum(dim: 3).sum(dim: 0), size = g.abs().sum(dim: 3).sum(dim: 0);
        Tensor counts = sum.square().sum().sub(size.square().sum().mul(Math.Pow(Rounding * Precision.Epsilon(g.dtype), 2))).gt(0);
        return sum.mul(counts.to(sum.dtype));
    }

    private Tensor Zeros(long size) => zeros(size, _space.DType, _space.Device).DetachFromDisposeScope();

    private void Add(int weight, Tensor a, Tensor g, double rows)
    {
        if (_present.TryGetValue(weight, out (Tensor A, Tensor G, double Rows) before))
        {
            before.A.add_(a);
            before.G.add_(g);
            _present[weight] = before with { Rows = before.Rows + rows };
        }
        else
        {
            _present[weight] = (a.clone().DetachFromDisposeScope(), g.clone().DetachFromDisposeScope(), rows);
        }
    }
}
