using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>
/// The layers of a model that chosen parameters act in, and what stands in the way of knowing how: modules of an unknown kind, parameters that act outside
/// their layers, samples that see each other. What is found is said in sentences that begin with the parameter or layer.
/// </summary>
internal sealed class ModelLayers
{
    private readonly ParameterSpace _space;
    private readonly nn.Module<Tensor, Tensor>[] _layers;
    private readonly Dictionary<nn.Module, IReadOnlyList<(int Index, LayerParameter Parameter)>> _parameters = [];

    /// <param name="space">The chosen parameters.</param>
    /// <param name="model">The model. TorchScript has no hooks: nothing of it is known.</param>
    public ModelLayers(ParameterSpace space, nn.Module model)
    {
        _space = space;
        bool hasHooks = model is not jit.ScriptModule;
        Modules = hasHooks ? [.. model.named_modules().Prepend(("", model))] : [];
        int count = space.Parameters.Count;
        List<LayerParameter>[] actings = [.. Enumerable.Range(0, count).Select(_ => new List<LayerParameter>())];
        List<string>[] owners = [.. Enumerable.Range(0, count).Select(_ => new List<string>())];
        string?[] obstacles = new string?[count];
        foreach ((string name, nn.Module module) in Modules)
        {
            int[] owned = [.. module.named_parameters(recurse: false).Select(p => space.IndexOf(p.parameter)).Where(i => i >= 0)];
            ILayerKind? kind = KnownLayers.KindOf(module);
            string? obstacle = kind is null
                ? $"a {module.GetType().Name}: per-sample gradients are known for {KnownLayers.Names}"
                : kind.Obstacle(module) is { } why ? $"which {why}" : null;
            foreach (int i in owned)
            {
                owners[i].Add(name);
                obstacles[i] ??= obstacle is null ? null : $"'{space.Names[i]}' belongs to '{name}', {obstacle}";
            }

            if (obstacle is null && owned.Length > 0)
            {
                (int Index, LayerParameter Parameter)[] known = [.. kind!.Parameters((nn.Module<Tensor, Tensor>)module).Select(p => (space.IndexOf(p.Parameter), p)).Where(p => p.Item1 >= 0)];
                _parameters[module] = known;
                foreach ((int i, LayerParameter parameter) in known)
                {
                    actings[i].Add(parameter);
                }
            }
        }

        for (int i = 0; i < count; i++)
        {
            obstacles[i] ??= !hasHooks ? $"'{space.Names[i]}' belongs to a TorchScript module, which has no hooks: what its layers see cannot be recorded"
                : owners[i].Count == 0 ? $"'{space.Names[i]}' belongs to no module of the model" : null;
        }

        (Actings, Owners, Obstacles) = (actings, owners, obstacles);
        _layers = [.. _parameters.Keys.Cast<nn.Module<Tensor, Tensor>>()];
    }

    /// <summary>All modules with their paths, the model itself first under the empty name.</summary>
    public IReadOnlyList<(string Name, nn.Module Module)> Modules { get; }

    /// <summary>For each parameter, how it acts in each of its layers.</summary>
    public IReadOnlyList<IReadOnlyList<LayerParameter>> Actings { get; }

    /// <summary>For each parameter, the paths of the modules that own it.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Owners { get; }

    /// <summary>For each parameter, what is known before any call to stand in the way; null where nothing does.</summary>
    public IReadOnlyList<string?> Obstacles { get; }

    /// <summary>The matrix that all the layers of a parameter see it as; null where it is none or they differ.</summary>
    public MatrixShape? ShapeOf(int i) => Actings[i].Select(a => a.Shape).Distinct().ToArray() is [{ } shape] ? shape : null;

    /// <summary>The bias that acts wherever a weight does, and nowhere else; null where there is none.</summary>
    /// <param name="weight">A weight with a shape.</param>
    /// <param name="obstacles">For each parameter, what stands in its way; null where nothing does.</param>
    public int? BiasOf(int weight, IReadOnlyList<string?> obstacles)
    {
        for (int i = 0; i < _space.Parameters.Count && !ShapeOf(weight)!.IsOneHot; i++)
        {
            if (obstacles[i] is null && _space.Parameters[i].requires_grad && Actings[i].Count > 0 && Actings[i].All(a => a.AddsToWeight) && Owners[i].SequenceEqual(Owners[weight]))
            {
                return i;
            }
        }

        return null;
    }

    /// <summary>A call's inputs and outputs as its weight sees them, its rows the samples; null where the layer has no such weight among the parameters.</summary>
    /// <param name="call">The call.</param>
    /// <param name="weight">The position of the weight.</param>
    public KroneckerUse? WeightOf(LayerCall call, out int weight)
    {
        foreach ((int i, LayerParameter parameter) in _parameters[call.Layer])
        {
            weight = i;
            if (parameter.Shape is not null && call.Input.shape[0] == call.Output.shape[0])
            {
                return (KroneckerUse)parameter.Use(call, call.Output.shape[0]);
            }
        }

        weight = -1;
        return null;
    }

    /// <summary>The first module that normalises by the batch's own statistics; null where there is none.</summary>
    public string? Coupling => Modules.Where(m => BatchNormLayer.CouplesSamples(m.Module)).Select(m => m.Name).FirstOrDefault();

    /// <summary>Begins to record the calls of the layers.</summary>
    /// <param name="retainGradients">Whether a backward pass leaves gradients on the outputs.</param>
    public LayerTape Record(bool retainGradients = false) =>
        new(_layers.Where(layer => ParametersOf(layer).Any(i => _space.Parameters[i].requires_grad)), retainGradients);

    /// <summary>What the recorded calls are to each parameter.</summary>
    /// <param name="tape">The calls.</param>
    /// <param name="samples">The number of samples.</param>
    public (int Call, ParameterUse Use)[][] UsesOf(LayerTape tape, long samples)
    {
        List<(int, ParameterUse)>[] uses = [.. _space.Parameters.Select(_ => new List<(int, ParameterUse)>())];
        for (int c = 0; c < tape.Calls.Count; c++)
        {
            LayerCall call = tape.Calls[c];
            if (Misfit(call, samples, folded: true) is not null)
            {
                continue;
            }

            foreach ((int i, LayerParameter parameter) in _parameters[call.Layer])
            {
                if (_space.Parameters[i].requires_grad)
                {
                    uses[i].Add((c, parameter.Use(call, samples)));
                }
            }
        }

        return [.. uses.Select(u => u.ToArray())];
    }

    /// <summary>What makes a call's rows no samples; null where they are.</summary>
    /// <param name="call">The call.</param>
    /// <param name="samples">The number of samples.</param>
    /// <param name="folded">Whether several positions of a sample may lie in the first dimension, where the layer does not mind.</param>
    public string? Misfit(LayerCall call, long samples, bool folded)
    {
        long rows = call.Input.shape[0];
        bool fits = rows == call.Output.shape[0] && (rows == samples || (folded && rows % samples == 0 && KnownLayers.KindOf(call.Layer)!.TakesFoldedPositions));
        return fits ? null : $"The layer '{NameOf(call.Layer)}' works on {rows} rows where the outputs have {samples}: samples must stay apart in the first dimension";
    }

    /// <summary>The parameters that a layer acts with.</summary>
    public IEnumerable<int> ParametersOf(nn.Module layer) => _parameters[layer].Select(p => p.Index);

    /// <summary>
    /// A backward pass from the first row of the outputs alone: the calls in which other rows have a gradient too.
    /// </summary>
    public IEnumerable<(int Call, string Why)> Crossings(Tensor z, LayerTape tape)
    {
        List<(int, string)> found = [];
        if (z.shape[0] == 1)
        {
            return found;
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor u = RandomLike(z);
        u.narrow(0, 1, z.shape[0] - 1).zero_();
        Tensor?[] g = Gradients.VectorJacobianProduct([z], [u], [.. tape.Calls.Select(c => c.Output)]);
        for (int c = 0; c < g.Length; c++)
        {
            if (g[c] is { } gradient && gradient.shape[0] >= z.shape[0])
            {
                long own = gradient.shape[0] / z.shape[0];
                if (gradient.narrow(0, own, gradient.shape[0] - own).abs().max().ToDouble() > 0)
                {
                    found.Add((c, $"The outputs of one sample depend on other samples at the layer '{NameOf(tape.Calls[c].Layer)}', or its first dimension is not that of the samples: "
                        + "there are no per-sample gradients"));
                }
            }
        }

        return found;
    }

    /// <summary>A gradient by autograd: the parameters of which what their uses give, summed over the samples, is not all of it.</summary>
    public IReadOnlyList<(int Index, string Why)> Missing(Tensor z, LayerTape tape, (int Call, ParameterUse Use)[][] uses)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] outputs = [.. tape.Calls.Select(c => c.Output)];
        Tensor?[] g = Gradients.VectorJacobianProduct([z], [RandomLike(z)], [.. outputs, .. _space.Parameters]);
        return Missing(g[..outputs.Length], g[outputs.Length..], uses);
    }

    /// <summary>The same for gradients that are there already.</summary>
    /// <param name="ofCalls">Those of the calls' outputs; null where zero.</param>
    /// <param name="ofParameters">Those of the parameters; null where zero.</param>
    /// <param name="uses">As <see cref="UsesOf"/> gives them.</param>
    public IReadOnlyList<(int Index, string Why)> Missing(IReadOnlyList<Tensor?> ofCalls, IReadOnlyList<Tensor?> ofParameters, (int Call, ParameterUse Use)[][] uses)
    {
        List<(int, string)> found = [];
        for (int i = 0; i < _space.Parameters.Count; i++)
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor gradient = ofParameters[i]?.reshape(-1) ?? zeros(_space.Parameters[i].numel(), _space.DType, _space.Device);
            double tolerance = _space.DType == ScalarType.Float64 ? 1e-8 : 1e-3, size = Precision.Norm(gradient);
            (ParameterUse, Tensor)[] live = [.. uses[i].Where(u => ofCalls[u.Call] is not null).Select(u => (u.Use, ofCalls[u.Call]!))];
            double rest = live.Length > 0 ? Precision.Norm(gradient.sub(ParameterUse.Sum(live))) : size;
            if (live.Length > 0 && rest > tolerance * size)
            {
                // Samples may cancel (a bias before batch norm): what they have each is the scale of rounding.
                size = Math.Max(size, Math.Sqrt(ParameterUse.SquaredNorm(live).ToDouble()));
            }

            if (rest > tolerance * size)
            {
                found.Add((i, $"The parameter '{_space.Names[i]}' also acts outside the calls of its layer (a functional call with its weight, forward() instead of call()): "
                    + "its gradient is not what the layer's inputs and outputs give"));
            }
        }

        return found;
    }

    private static Tensor RandomLike(Tensor z) => Probes.Draw(ProbeKind.Gaussian, z.numel(), 0, 1, 0, z.dtype, z.device).reshape(z.shape);

    private string NameOf(nn.Module layer) => Modules.First(m => ReferenceEquals(m.Module, layer)).Name;
}
