using Xunit;

namespace Curvature.Tests.Cli;

/// <summary>A test that mounts a small file system: only root may, and not in every container.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class MountFactAttribute : FactAttribute
{
    private static readonly bool Possible = Try();

    public MountFactAttribute() => Skip = Possible ? null! : "mount(8) is not allowed here: it needs root.";

    private static bool Try()
    {
        using var folder = new TemporaryFolder();
        try
        {
            using var mount = Mount.Tmpfs(folder, "size=16k");
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }
}
