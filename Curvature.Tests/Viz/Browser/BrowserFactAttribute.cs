using Xunit;

namespace Curvature.Tests.Viz.Browser;

/// <summary>A test in a real browser: skipped, with the reason, where Chromium is absent.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class BrowserFactAttribute : FactAttribute
{
    public BrowserFactAttribute() => Skip = Chromium.Executable is null ? $"no Chromium here: none of {string.Join(", ", Chromium.Names)} is on the path (Debian's package is chromium)" : null!;
}
