using Xunit;

namespace Curvature.Tests.Core;

/// <summary>As <see cref="DeviceFactAttribute"/>.</summary>
public sealed class DeviceTheoryAttribute : TheoryAttribute
{
    public DeviceTheoryAttribute() => Skip = DeviceFactAttribute.Missing;
}
