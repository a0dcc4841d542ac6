using static TorchSharp.torch;

namespace Curvature.Checkpoints.Pickling;

/// <summary>One of PyTorch's storage classes.</summary>
/// <param name="Type">Type of the elements; null for UntypedStorage, which is bytes.</param>
internal sealed record PickledStorageClass(ScalarType? Type);
