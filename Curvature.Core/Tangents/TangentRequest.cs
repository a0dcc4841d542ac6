using static TorchSharp.torch;

namespace Curvature.Tangents;

/// <summary>k directions that reach a layer's call.</summary>
/// <param name="Count">k.</param>
/// <param name="Input">a', <c>[k, a...]</c>; null: zero.</param>
/// <param name="Weight">V, <c>[k, W...]</c>.</param>
/// <param name="Bias">v, <c>[k, b...]</c>; null: zero.</param>
/// <param name="Cotangent">c, of o's shape.</param>
/// <param name="IntoInput">Whether what leads to a takes part, and <c>B(V, .)^T c</c> is wanted.</param>
/// <param name="Products">Whether a product is made of it, or forms.</param>
internal sealed record TangentRequest(int Count, Tensor? Input, Tensor Weight, Tensor? Bias, Tensor Cotangent, bool IntoInput, bool Products);
