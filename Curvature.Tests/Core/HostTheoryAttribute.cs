using TorchSharp;
using Xunit;

namespace Curvature.Tests.Core;

/// <summary>Tests of what only the CPU promises.</summary>
public sealed class HostTheoryAttribute : TheoryAttribute
{
    /// <param name="elsewhere">Why they say nothing on another device.</param>
    public HostTheoryAttribute(string elsewhere) => Skip = Here.type == DeviceType.CPU ? null : $"on {Here}: {elsewhere}";
}
