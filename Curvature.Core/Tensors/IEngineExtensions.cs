using static TorchSharp.torch;

namespace Curvature.Tensors;

/// <summary>What libtorch can do and TorchSharp does not expose. Everything works without it; some products are cheaper with it.</summary>
public interface IEngineExtensions
{
    /// <summary>
    /// <c>J v</c>, the directional derivative of a function's value, by forward-mode differentiation: one evaluation that carries tangents along, at about twice
    /// the cost of a plain one, and no graph. Threads may ask at once; they take turns. A new tensor of the current scope, null where the value does not depend on the inputs.
    /// </summary>
    /// <param name="function">Evaluated once, without gradients; it reads the inputs.</param>
    /// <param name="inputs">The tensors that are differentiated by; unchanged afterwards.</param>
    /// <param name="tangents">v, one part per input, in its shape, dtype and device.</param>
    /// <exception cref="NotSupportedException">An operator in the function has no forward-mode derivative in this libtorch; the message names it.</exception>
    Tensor? JacobianVectorProduct(Func<Tensor> function, IReadOnlyList<Tensor> inputs, IReadOnlyList<Tensor> tangents);
}
