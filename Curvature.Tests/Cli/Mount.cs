using System.Diagnostics;

namespace Curvature.Tests.Cli;

/// <summary>A file system in memory, mounted for one test.</summary>
internal sealed class Mount : IDisposable
{
    private Mount(string path) => Path = path;

    public string Path { get; }

    /// <summary>A tmpfs in a folder of its own.</summary>
    public static Mount Tmpfs(TemporaryFolder folder, string options)
    {
        string path = folder.File("mount");
        Directory.CreateDirectory(path);
        Execute("mount", "-t", "tmpfs", "-o", options, "tmpfs", path);
        return new Mount(path);
    }

    public void Dispose() => Execute("umount", Path);

    private static void Execute(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{program} failed: {error}");
        }
    }
}
