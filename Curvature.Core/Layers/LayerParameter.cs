using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>A parameter of a layer, and how it acts when the layer is called.</summary>
/// <param name="Parameter">The parameter.</param>
/// <param name="Shape">The matrix that multiplies the inputs; null for what shifts or scales features.</param>
/// <param name="AddsToWeight">Whether it is the bias beside the layer's matrix: a column of it, with inputs 1.</param>
/// <param name="Use">Makes a call's contribution, given the call and the number of samples.</param>
internal sealed record LayerParameter(Tensor Parameter, MatrixShape? Shape, bool AddsToWeight, Func<LayerCall, long, ParameterUse> Use);
