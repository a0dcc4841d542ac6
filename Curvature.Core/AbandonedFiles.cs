using System.ComponentModel;
using System.Diagnostics;

namespace Curvature;

/// <summary>What processes that were killed have left of a file that they were writing (<see cref="AtomicFile"/>): no handler of theirs ran that could have removed it.</summary>
internal static class AbandonedFiles
{
    private const string Ending = ".tmp";

    /// <summary>The temporary name of a file, another one at each call.</summary>
    /// <param name="target">The file's full path.</param>
    public static string TemporaryName(string target) => Path.Combine(Path.GetDirectoryName(target)!, $"{Beginning(target)}{Path.GetRandomFileName()}{Ending}");

    /// <summary>Removes what nobody writes any more: files under temporary names of <paramref name="target"/> that were last written before this process began, and that no process holds.</summary>
    /// <param name="target">The file's full path.</param>
    public static void Remove(string target)
    {
        int length = TemporaryName(target).Length;
        try
        {
            using var process = Process.GetCurrentProcess();
            DateTime began = process.StartTime.ToUniversalTime();
            foreach (string file in Directory.EnumerateFiles(Path.GetDirectoryName(target)!, $".*{Ending}"))
            {
                if (file.Length == length && Path.GetFileName(file).StartsWith(Beginning(target), StringComparison.Ordinal) && File.GetLastWriteTimeUtc(file) < began)
                {
                    RemoveUnlessHeld(file);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or Win32Exception or NotSupportedException) // the last two: where no process is told when it began
        {
            // It is in nobody's way: what is to be written is.
        }
    }

    private static void RemoveUnlessHeld(string file)
    {
        try
        {
            new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose).Dispose(); // fails where the one that writes it is there
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Neither is this.
        }
    }

    private static string Beginning(string target) => $".{Path.GetFileName(target)}.";
}
