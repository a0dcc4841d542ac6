using System.Globalization;
using System.Security.Cryptography;
using Curvature.Tensors;

namespace Curvature.Data;

/// <summary>Opens files that nobody vouches for, and bounds what they may make us allocate.</summary>
public static class InputFile
{
    /// <summary>Opens a regular file for reading; anything else is one clear message. The caller disposes the stream.</summary>
    /// <exception cref="DataFormatException">Nothing of that name, a folder, a pipe, or not readable.</exception>
    public static FileStream Open(string path)
    {
        if (Directory.Exists(path))
        {
            throw new DataFormatException(path, "a file", "a folder", "name a file in it");
        }

        try
        {
            var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 16);
            if (stream.CanSeek)
            {
                return stream;
            }

            stream.Dispose();
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new DataFormatException(path, "a file", "nothing of that name", "check the path", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new DataFormatException(path, "a readable file", $"\"{e.Message}\"", "check the path and its permissions", e);
        }

        throw new DataFormatException(path, "a regular file", "a pipe or a device", "write the data to a file first");
    }

    /// <summary>SHA-256 of the whole file, 64 lower-case hexadecimal digits.</summary>
    internal static string Sha256(string path)
    {
        using FileStream stream = Open(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>Refuses an allocation of <paramref name="bytes"/> that this machine (or its container) has no free memory for.</summary>
    internal static void RequireMemory(string path, long bytes)
    {
        long available = HostMemory.Free();
        if (bytes > available)
        {
            throw new DataFormatException(
                path,
                $"data that fit into the {Gigabytes(available)} GB of memory that are free",
                $"{Gigabytes(bytes)} GB",
                "use a part of the data or a larger machine");
        }
    }

    /// <summary>
    /// Bytes of an array, or null where a size is negative or the product passes 2^63 (also when another size is zero, which would hide
    /// it).
    /// </summary>
    internal static long? SizeOf(IEnumerable<long> shape, int elementSize)
    {
        Int128 span = elementSize;
        bool empty = false;
        foreach (long size in shape)
        {
            empty |= size == 0;
            span *= Math.Max(size, 1);
            if (size < 0 || span > long.MaxValue)
            {
                return null;
            }
        }

        return empty ? 0 : (long)span;
    }

    /// <summary>A shape as Python prints it: [3, 4].</summary>
    internal static string Show(IEnumerable<long> shape) =>
        "[" + string.Join(", ", shape.Select(size => size.ToString(CultureInfo.InvariantCulture))) + "]";

    private static string Gigabytes(long bytes) => (bytes / 1e9).ToString("0.#", CultureInfo.InvariantCulture);
}
