using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;

namespace Curvature.Tests.Core.Data;

/// <summary>Small files of each format, byte by byte, written without the code under test.</summary>
internal static class SampleFiles
{
    /// <summary>A npy array with a header as numpy writes it.</summary>
    public static byte[] Npy<T>(string descr, string shape, T[] elements, bool fortran = false, byte version = 1) where T : unmanaged =>
        NpyWithHeader(
            $"{{'descr': '{descr}', 'fortran_order': {(fortran ? "True" : "False")}, 'shape': {shape}, }}",
            MemoryMarshal.AsBytes<T>(elements).ToArray(),
            version);

    /// <summary>A npy array with any header text.</summary>
    public static byte[] NpyWithHeader(string header, byte[] elements, byte version = 1)
    {
        byte[] text = Encoding.ASCII.GetBytes(header.PadRight(117) + "\n");
        byte[] length = version == 1 ? [(byte)text.Length, 0] : [(byte)text.Length, 0, 0, 0];
        return [0x93, .. "NUMPY"u8, version, 0, .. length, .. text, .. elements];
    }

    /// <summary>A zip archive of stored or deflated entries.</summary>
    public static byte[] Zip(bool deflated, params (string Name, byte[] Contents)[] entries)
    {
        using var memory = new MemoryStream();
        using (var zip = new ZipArchive(memory, ZipArchiveMode.Create))
        {
            foreach ((string name, byte[] contents) in entries)
            {
                ZipArchiveEntry entry = zip.CreateEntry(name, deflated ? CompressionLevel.Optimal : CompressionLevel.NoCompression);
                entry.LastWriteTime = new DateTimeOffset(2024, 1, 2, 3, 4, 6, TimeSpan.Zero);
                using Stream stream = entry.Open();
                stream.Write(contents);
            }
        }

        return memory.ToArray();
    }

    /// <summary>Three samples of two inputs, labels 0, 1, 2.</summary>
    public static byte[] Npz(bool deflated) => Zip(
        deflated,
        ("x.npy", Npy("<f4", "(3, 2)", [1f, 2f, 3f, 4f, 5f, 6f])),
        ("y.npy", Npy("<i8", "(3,)", [0L, 1L, 2L])),
        ("more.npy", Npy("<f8", "(4,)", [0.5, 1.5, 2.5, 3.5])));

    /// <summary>The same as safetensors.</summary>
    public static byte[] Safetensors() => Safetensors(
        """{"x":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]},"y":{"dtype":"I64","shape":[3],"data_offsets":[24,48]}}""",
        [.. MemoryMarshal.AsBytes<float>([1f, 2f, 3f, 4f, 5f, 6f]), .. MemoryMarshal.AsBytes<long>([0L, 1L, 2L])]);

    /// <summary>A safetensors file with any header text.</summary>
    public static byte[] Safetensors(string header, byte[] elements)
    {
        byte[] text = Encoding.UTF8.GetBytes(header);
        byte[] length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, text.Length);
        return [.. length, .. text, .. elements];
    }

    /// <summary>The same as text with a header line.</summary>
    public static byte[] Csv() => "a,b,class\n1,2,0\n3,4,1\n5,6,2\n"u8.ToArray();

    /// <summary>IDX of unsigned bytes.</summary>
    public static byte[] Idx(int[] shape, byte[] elements)
    {
        byte[] sizes = new byte[4 * shape.Length];
        for (int i = 0; i < shape.Length; i++)
        {
            BinaryPrimitives.WriteInt32BigEndian(sizes.AsSpan(4 * i), shape[i]);
        }

        return [0, 0, 8, (byte)shape.Length, .. sizes, .. elements];
    }

    /// <summary>One gzip member.</summary>
    public static byte[] Gzip(byte[] contents)
    {
        using var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Optimal))
        {
            gzip.Write(contents);
        }

        return memory.ToArray();
    }

    /// <summary>Text of numbers, comma-separated, one row a line.</summary>
    public static string Text(IEnumerable<IEnumerable<double>> rows) =>
        string.Concat(rows.Select(row => string.Join(',', row.Select(value => value.ToString("R", CultureInfo.InvariantCulture))) + "\n"));
}
