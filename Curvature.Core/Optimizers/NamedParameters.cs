using Curvature.Tensors;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>An optimizer's parameters by their names in a model.</summary>
internal static class NamedParameters
{
    /// <summary>In the optimizer's order; one that is none of the model's is named by its place.</summary>
    public static ParameterSpace In(nn.Module model, IReadOnlyList<Parameter> parameters)
    {
        ParameterSpace own = new(parameters.Select((p, i) => ($"parameter {i}", (Tensor)p)));
        string[] names = [.. own.Names];
        foreach ((string name, Parameter parameter) in model.named_parameters())
        {
            int i = own.IndexOf(parameter);
            if (i >= 0 && names[i] == own.Names[i])
            {
                names[i] = name;
            }
        }

        return new ParameterSpace(parameters.Select((p, i) => (names[i], (Tensor)p)));
    }
}
