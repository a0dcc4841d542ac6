using Curvature.Tensors;
using static TorchSharp.torch;

namespace Curvature.Quant.Networks;

/// <summary>
/// A model as the layers whose weights can be quantized: parameters called <c>weight</c> of rank 2 or more, in the model's order, a tied one once. Biases and norms stay in floating point, and
/// so do weights of other names, such as those of recurrent networks (<see cref="Others"/>). It refers to the model's own tensors and owns nothing.
/// </summary>
public sealed class QuantizableNetwork
{
    private const string Weight = "weight";

    private QuantizableNetwork(nn.Module module, IReadOnlyList<WeightLayer> layers, IReadOnlyList<string> others)
    {
        (Module, Layers, Others) = (module, layers, others);
        Weights = new ParameterSpace(layers.Select(layer => (layer.Name == Weight ? Weight : $"{layer.Name}.{Weight}", layer.Weight)));
    }

    /// <summary>The model.</summary>
    public nn.Module Module { get; }

    /// <summary>Its layers.</summary>
    public IReadOnlyList<WeightLayer> Layers { get; }

    /// <summary>The layers' weights as one vector, a parameter a layer, in the order of <see cref="Layers"/>; frozen ones too.</summary>
    public ParameterSpace Weights { get; }

    /// <summary>Parameters of rank 2 or more that are no layer's weight, and keep their precision.</summary>
    public IReadOnlyList<string> Others { get; }

    /// <summary>Whether modules can be hooked: not those of TorchScript. Without, there are no multiply-accumulates and no activations to see.</summary>
    public bool SeesModules => Module is not jit.ScriptModule;

    /// <summary>The layer of that name.</summary>
    /// <exception cref="CurvatureException">There is none; the message lists those that are.</exception>
    public WeightLayer this[string name] => Layers.FirstOrDefault(layer => layer.Name == name)
        ?? throw new CurvatureException($"The model has no layer '{name}' with a weight to quantize; its layers are {Listed(Layers.Select(layer => layer.Name))}.");

    /// <summary>The layers of a model.</summary>
    /// <param name="module">The model.</param>
    /// <param name="sample">
    /// Inputs <c>[N, ...]</c>, one sample best, to count multiply-accumulates by hooks in one forward pass in evaluation mode: of linear layers and convolutions, transposed ones too, each call
    /// of a weight for itself; an embedding has none. Null, or TorchScript: they stay unknown, as they do of other kinds of layers and of layers that the pass does not <c>call</c>.
    /// </param>
    /// <exception cref="CurvatureException">No layer with a weight, weights of several dtypes, or a model that does not take the sample.</exception>
    public static QuantizableNetwork Of(nn.Module module, Tensor? sample = null)
    {
        (string Name, Tensor Value)[] parameters = [.. ParameterSpace.NamedIn(module)];
        (string Name, Tensor Value)[] weights = [.. parameters.Where(p => IsWeight(p.Name, p.Value))];
        if (weights.Length == 0)
        {
            throw new CurvatureException(
                $"The model has no layer whose weight could be quantized: expected a parameter called '{Weight}' of rank 2 or more, got {(parameters.Length == 0 ? "no parameters" : Listed(parameters.Select(p => p.Name)))}.");
        }

        nn.Module[][] owners = module is jit.ScriptModule ? [.. weights.Select(_ => Array.Empty<nn.Module>())] : Owners(module, weights);
        long?[] macs = module is jit.ScriptModule || sample is null ? new long?[weights.Length] : MacCounter.Count(module, owners, sample);
        return new QuantizableNetwork(
            module,
            [.. weights.Select((weight, i) => new WeightLayer(PathOf(weight.Name), weight.Value, owners[i].FirstOrDefault(), macs[i]))],
            [.. parameters.Where(p => p.Value.dim() > 1 && !IsWeight(p.Name, p.Value)).Select(p => p.Name)]);
    }

    /// <summary>The first few names, for a message.</summary>
    internal static string Listed(IEnumerable<string> names)
    {
        const int Some = 12;
        string[] all = [.. names];
        return string.Join(", ", all.Take(Some).Select(name => $"'{name}'")) + (all.Length > Some ? $" and {all.Length - Some} more" : "");
    }

    private static bool IsWeight(string name, Tensor value) => value.dim() > 1 && (name == Weight || name.EndsWith("." + Weight, StringComparison.Ordinal));

    private static string PathOf(string name) => name == Weight ? name : name[..^(Weight.Length + 1)];

    /// <summary>The modules that own each weight: several, where it is tied.</summary>
    private static nn.Module[][] Owners(nn.Module module, (string Name, Tensor Value)[] weights)
    {
        var space = new ParameterSpace(weights);
        List<nn.Module>[] owners = [.. weights.Select(_ => new List<nn.Module>())];
        foreach (nn.Module owner in module.named_modules().Select(m => m.module).Prepend(module))
        {
            foreach ((string name, Tensor value) in owner.named_parameters(recurse: false).Select(p => (p.name, (Tensor)p.parameter)))
            {
                if (IsWeight(name, value) && space.IndexOf(value) is >= 0 and int i && !owners[i].Contains(owner))
                {
                    owners[i].Add(owner);
                }
            }
        }

        return [.. owners.Select(o => o.ToArray())];
    }
}
