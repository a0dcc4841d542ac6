using Xunit;

namespace Curvature.Tests.Core;

/// <summary>A test over the pretended CUDA device, which is written for Debian's libtorch 1.13.</summary>
public sealed class DeviceFactAttribute : FactAttribute
{
    public DeviceFactAttribute() => Skip = Missing;

    /// <summary>Why there is none; null where there is.</summary>
    internal static string? Missing =>
        !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("LIBTORCH")) ? "the pretended CUDA device is written for Debian's libtorch 1.13, and LIBTORCH names another"
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "cmake"))) ? null
        : "cmake is absent, which builds the pretended CUDA device";
}
