using Curvature.Layers;
using static TorchSharp.torch;

namespace Curvature.Kronecker;

/// <summary>One tensor of the outputs' shape, pulled back through the model to the outputs of the layers' calls.</summary>
/// <param name="uses">For each parameter, its uses and the calls they belong to.</param>
/// <param name="ofCalls">The gradient of each call's output; null where it is zero.</param>
/// <param name="ofParameters">The whole batch's gradient of each parameter that is asked for so; null where it is zero.</param>
internal sealed class PulledBack((int Call, ParameterUse Use)[][] uses, IReadOnlyList<Tensor?> ofCalls, IReadOnlyDictionary<int, Tensor?> ofParameters)
{
    /// <summary>The uses of parameter i that have a gradient.</summary>
    public IReadOnlyList<(ParameterUse Use, Tensor G)> Live(int i) => [.. uses[i].Where(u => ofCalls[u.Call] is not null).Select(u => (u.Use, ofCalls[u.Call]!))];

    /// <summary>What a weight multiplies, the positions of all its calls; null where it has none.</summary>
    public LayerInputs? Inputs(int weight) => uses[weight].Length == 0
        ? null
        : Use(uses[weight][0]).Inputs.Joined(uses[weight].Skip(1).Select(u => Use(u).Inputs));

    /// <summary>The gradients at those positions, <c>[N, K, out, T]</c>; null where all are zero.</summary>
    public Tensor? OutputGradients(int weight, MatrixShape shape)
    {
        if (uses[weight].Select(u => ofCalls[u.Call]).FirstOrDefault(g => g is not null) is not { } like)
        {
            return null;
        }

        return cat([.. uses[weight].Select(u => ofCalls[u.Call] is { } g
            ? Use(u).Arrange(g)
            : zeros([Use(u).Inputs.Samples, shape.Groups, shape.Outputs, Use(u).Inputs.Positions], like.dtype, like.device))], 3);
    }

    /// <summary>The whole batch's gradient of parameter i; null where it is zero.</summary>
    public Tensor? OfParameter(int i) => ofParameters.GetValueOrDefault(i);

    private static KroneckerUse Use((int Call, ParameterUse Use) u) => (KroneckerUse)u.Use;
}
