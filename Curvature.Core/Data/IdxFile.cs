using System.Buffers.Binary;
using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>
/// The IDX files of MNIST and its kin, plain or gzip-compressed: two zero bytes, the element type, the number of dimensions, the sizes
/// as big-endian 32-bit integers, then the elements row-major. Only unsigned bytes (type 8) are read: images and labels are that.
/// </summary>
public static class IdxFile
{
    private const int UnsignedByte = 8;

    /// <summary>The array as uint8, with the shape of its header; the caller disposes it.</summary>
    /// <exception cref="DataFormatException">Not such a file, cut, longer than its header says, a wrong checksum, or another element
    /// type.</exception>
    public static Tensor Read(string path)
    {
        using Stream stream = GzipReader.OpenFile(path);
        long[] shape = ReadHeader(stream, path);
        Tensor result = TensorBytes.Read(stream, path, "elements", ScalarType.Byte, shape);
        try
        {
            return stream.ReadByte() < 0
                ? result
                : throw DataFormatException.Corrupt(path, $"the end of the data behind {InputFile.Show(shape)} elements", "more");
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }

    /// <summary>Rows of the array: of a plain file by their place, of a compressed one by passing over it, with its checksum. The caller disposes them.</summary>
    internal static Tensor ReadRows(string path, IReadOnlyList<long> rows)
    {
        using Stream stream = GzipReader.OpenFile(path);
        long[] shape = ReadHeader(stream, path);
        if (stream is not FileStream file)
        {
            return RowBytes.Of(stream).Read(path, "elements", ScalarType.Byte, shape, rows);
        }

        return file.Length - file.Position == InputFile.SizeOf(shape, 1)
            ? RowBytes.At(file.SafeFileHandle, file.Position).Read(path, "elements", ScalarType.Byte, shape, rows)
            : throw DataFormatException.Corrupt(path, $"the end of the data behind {InputFile.Show(shape)} elements", "more");
    }

    /// <summary>The array's shape, from its header; the elements are not read.</summary>
    /// <exception cref="DataFormatException">The header is not one, or claims more than the file can hold.</exception>
    public static ArrayEntry Describe(string path)
    {
        using Stream stream = GzipReader.OpenFile(path);
        long[] shape = ReadHeader(stream, path);
        return new ArrayEntry(Path.GetFileName(path), ElementTypes.Name(ScalarType.Byte), shape, InputFile.SizeOf(shape, 1) ?? 0);
    }

    private static long[] ReadHeader(Stream stream, string path)
    {
        byte[] magic = Take(stream, 4, path);
        if (magic[0] != 0 || magic[1] != 0 || magic[3] is < 1 or > 8)
        {
            throw new DataFormatException(path, "an IDX header", "other bytes", "name an IDX file, such as train-images-idx3-ubyte.gz");
        }

        if (magic[2] != UnsignedByte)
        {
            throw new DataFormatException(path, "unsigned bytes (IDX type 8)", $"IDX type {magic[2]}", "convert the file to .npz");
        }

        byte[] sizes = Take(stream, 4 * magic[3], path);
        long[] shape = new long[magic[3]];
        for (int i = 0; i < shape.Length; i++)
        {
            shape[i] = BinaryPrimitives.ReadUInt32BigEndian(sizes.AsSpan(4 * i));
        }

        long bound = stream is FileStream file ? file.Length - 4 - sizes.Length : GzipReader.Bound(new FileInfo(path).Length);
        return InputFile.SizeOf(shape, 1) <= bound
            ? shape
            : throw DataFormatException.Corrupt(path, $"at most {bound} elements", $"a header that claims {InputFile.Show(shape)}");
    }

    private static byte[] Take(Stream stream, int count, string path)
    {
        byte[] bytes = new byte[count];
        return stream.ReadAtLeast(bytes, count, throwOnEndOfStream: false) == count
            ? bytes
            : throw DataFormatException.Corrupt(path, "a whole IDX header", "the end of the file");
    }
}
