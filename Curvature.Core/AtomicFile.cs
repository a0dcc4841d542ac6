using System.Runtime.InteropServices;

namespace Curvature;

/// <summary>
/// Files that appear whole or not at all: the content goes to a temporary name in the same folder, is flushed to the disk and
/// then renamed over the target. On failure or cancellation the temporary file is deleted and an earlier file stays as it was.
/// One that a killed process has left is deleted by the next process that writes the file. A missing folder is created. Whatever prevents the writing becomes a <see cref="CurvatureException"/> that names the target
/// and the remedy.
/// </summary>
public static class AtomicFile
{
    private const int NoSuchFile = 2, NoSuchFolder = 3, PermissionDenied = 13, AlreadyExists = 17, NotAFolder = 20, DiskFull = 28, ReadOnlyFileSystem = 30, NameTooLong = 36, PathTooLong = 206;

    /// <summary>Writes one file with the bytes that <paramref name="write"/> puts on the stream it is given.</summary>
    /// <exception cref="CurvatureException">The folder or file cannot be written, or the disk is full.</exception>
    public static void Write(string path, Action<Stream> write) => WriteAll([(path, write)]);

    /// <summary>Writes one text file in UTF-8 without a byte order mark.</summary>
    /// <exception cref="CurvatureException">The folder or file cannot be written, or the disk is full.</exception>
    public static void WriteText(string path, string text) => Write(path, Text(text));

    /// <summary>The action that writes <paramref name="text"/> in UTF-8 without a byte order mark.</summary>
    public static Action<Stream> Text(string text) => stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text));

    /// <summary>
    /// Writes several files that belong together: none is renamed before all are written, so that a failure or cancellation leaves
    /// the whole set as it was before.
    /// </summary>
    /// <param name="files">Target paths and what to write there.</param>
    /// <param name="cancellationToken">Looked at before each file and once before the renaming.</param>
    /// <exception cref="CurvatureException">A folder or file cannot be written, or the disk is full.</exception>
    public static void WriteAll(IReadOnlyList<(string Path, Action<Stream> Write)> files, CancellationToken cancellationToken = default)
    {
        var temporary = new List<(FileStream Temporary, string Target)>(); // held until they are renamed: what nobody holds may be taken for what a killed process has left
        try
        {
            foreach ((string path, Action<Stream> write) in files)
            {
                cancellationToken.ThrowIfCancellationRequested();
                string target = Path.GetFullPath(path);
                Guarded(path, () =>
                {
                    var stream = new FileStream(TemporaryName(target), FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 1 << 16);
                    temporary.Add((stream, target));
                    write(stream);
                    stream.Flush(flushToDisk: true);
                });
            }

            cancellationToken.ThrowIfCancellationRequested();
            foreach ((FileStream stream, string target) in temporary)
            {
                Guarded(target, () =>
                {
                    stream.Dispose();
                    File.Move(stream.Name, target, overwrite: true);
                });
            }
        }
        finally
        {
            temporary.ForEach(file => Discard(file.Temporary));
        }
    }

    /// <summary>
    /// Throws what writing into <paramref name="folder"/> would throw, before long work is done for it. Neither the folder nor anything in it
    /// is left behind.
    /// </summary>
    /// <exception cref="CurvatureException">A file is in its place, or nothing can be written there.</exception>
    public static void CheckFolder(string folder)
    {
        string existing = Path.GetFullPath(folder);
        while (!Path.Exists(existing))
        {
            existing = Path.GetDirectoryName(existing)!; // ends at the root
        }

        if (File.Exists(existing))
        {
            throw new CurvatureException($"Cannot write '{folder}': the file '{existing}' is in the place of a folder. Remove it or choose another folder.");
        }

        string probe = Path.Combine(existing, $".{Path.GetRandomFileName()}.tmp");
        Guarded(folder, () => new FileStream(probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose).Dispose());
    }

    /// <summary>Throws what writing the file <paramref name="path"/> would throw, as <see cref="CheckFolder"/> does for a folder.</summary>
    /// <exception cref="CurvatureException">No name of a file, a folder is in its place, or nothing can be written there.</exception>
    public static void CheckFile(string path)
    {
        string folder = "";
        Guarded(path, () => folder = FolderOf(Path.GetFullPath(path)));
        CheckFolder(folder);
    }

    /// <summary>One sentence on what prevents the writing of a file, and one on the remedy.</summary>
    internal static string Refusal(string path, Exception error) => $"Cannot write '{path}': {Reason(error)}";

    private static string FolderOf(string target)
    {
        if (Directory.Exists(target))
        {
            throw new CurvatureException($"Cannot write '{target}': a folder of that name is in its place. Name a file.");
        }

        return Path.GetDirectoryName(target) ?? throw new CurvatureException($"Cannot write '{target}': it is not the name of a file.");
    }

    private static string TemporaryName(string target)
    {
        string folder = FolderOf(target);
        Directory.CreateDirectory(folder);
        AbandonedFiles.Remove(target);
        return AbandonedFiles.TemporaryName(target);
    }

    private static void Discard(FileStream stream)
    {
        try
        {
            using (stream) // which may write what it still has
            {
            }

            File.Delete(stream.Name); // no error where it has been renamed
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The reason that brought us here is the one worth reporting.
        }
    }

    private static void Guarded(string path, Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new CurvatureException(Refusal(path, e), e);
        }
    }

    // On Unix the low 16 bits of HResult are the errno, or the runtime's own number. The runtime's messages name the temporary file, which nobody asked for.
    private static string Reason(Exception e) => (e.HResult & 0xFFFF) switch
    {
        DiskFull => "the disk is full. Make room or choose another folder.",
        ReadOnlyFileSystem => "the file system is read-only. Choose another folder.",
        AlreadyExists or NotAFolder => "a file is in the place of its folder. Remove the file or choose another folder.",
        PermissionDenied => "permission denied. Choose a folder that you may write to.",
        _ when e is UnauthorizedAccessException => "permission denied. Choose a folder that you may write to.",
        NoSuchFile or NoSuchFolder => "nothing can be created there. Choose another folder.",
        NameTooLong or PathTooLong => "its name is too long. Choose a shorter one.",
        _ when e is IOException => $"{Marshal.GetPInvokeErrorMessage(e.HResult & 0xFFFF)}. Choose another folder.",
        _ => e.Message,
    };
}
