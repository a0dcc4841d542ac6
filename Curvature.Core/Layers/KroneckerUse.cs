using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>A weight that multiplies the layer's inputs: sample n's gradient is <c>sum_t g_nt a_nt^T</c> over its positions t.</summary>
/// <param name="inputs">a.</param>
/// <param name="arrange">Brings g into the shape <c>[N, K, out, T]</c>.</param>
/// <param name="entries">Entries of the weight.</param>
internal class KroneckerUse(LayerInputs inputs, Func<Tensor, Tensor> arrange, long entries) : ParameterUse(inputs.Samples, entries)
{
    /// <summary>a.</summary>
    public LayerInputs Inputs => inputs;

    /// <summary>g as <c>[N, K, out, T]</c>.</summary>
    public Tensor Arrange(Tensor g) => arrange(g);

    public override Tensor Gradients(Tensor g, long first, long count) => inputs.Gradients(arrange(g), first, count).reshape(count, -1);

    public override Tensor? SumOf(Tensor g) => inputs.GradientSum(arrange(g)).reshape(-1);
}
