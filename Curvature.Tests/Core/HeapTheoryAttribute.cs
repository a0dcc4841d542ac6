using TorchSharp;
using Xunit;

namespace Curvature.Tests.Core;

/// <summary>Tests that find in the heap what tensors take: those of the CPU lie there, and those of the pretended device.</summary>
public sealed class HeapTheoryAttribute : TheoryAttribute
{
    public HeapTheoryAttribute() => Skip = Here.type == DeviceType.CPU || CountsWaits ? null : $"what tensors on {Here} take is not found in the heap";
}
