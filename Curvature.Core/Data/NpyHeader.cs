using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>
/// The header of a <c>.npy</c> array: magic, version 1 to 3, length, and a Python dictionary literal with <c>descr</c>,
/// <c>fortran_order</c> and <c>shape</c> (numpy.lib.format). The literal is matched, never evaluated.
/// </summary>
/// <param name="Descr">numpy's type string, e.g. <c>&lt;f4</c>.</param>
/// <param name="Type">The same as a tensor type; null where there is none.</param>
/// <param name="ElementSize">Bytes of one element.</param>
/// <param name="Fortran">Stored column-major.</param>
/// <param name="Shape">Its sizes.</param>
/// <param name="Length">Bytes of the whole header, magic included.</param>
internal sealed partial record NpyHeader(string Descr, ScalarType? Type, int ElementSize, bool Fortran, long[] Shape, int Length)
{
    private const int LongestText = 1 << 16;
    private const int MostDimensions = 64;

    /// <summary>Most significant byte first.</summary>
    public bool BigEndian => Descr[0] == '>';

    /// <summary>Bytes of all elements; null where the shape is impossible.</summary>
    public long? DataLength => InputFile.SizeOf(Shape, ElementSize);

    /// <summary>Reads a header and leaves the stream at the first element.</summary>
    /// <exception cref="DataFormatException">Not a header, or of a type that has no elements of fixed size (Python
    /// objects).</exception>
    public static NpyHeader Read(Stream source, string file, string name)
    {
        byte[] start = Take(source, 8, file, name);
        if (start[0] != 0x93 || !start.AsSpan(1).StartsWith("NUMPY"u8) || start[6] is < 1 or > 3)
        {
            throw Bad(file, name, "numpy's magic bytes and version 1 to 3", "other bytes");
        }

        int lengthBytes = start[6] == 1 ? 2 : 4;
        byte[] lengthField = Take(source, lengthBytes, file, name);
        long length = lengthBytes == 2
            ? BinaryPrimitives.ReadUInt16LittleEndian(lengthField)
            : BinaryPrimitives.ReadUInt32LittleEndian(lengthField);
        if (length > LongestText)
        {
            throw Bad(file, name, "a header of at most 64 KiB", $"{length} bytes");
        }

        string text = Encoding.UTF8.GetString(Take(source, (int)length, file, name));
        Match descr = DescrPattern().Match(text), order = OrderPattern().Match(text), shape = ShapePattern().Match(text);
        if (!descr.Success || !order.Success || !shape.Success)
        {
            throw Bad(file, name, "a header with descr, fortran_order and shape", $"\"{Excerpt(text)}\"");
        }

        (ScalarType? type, int size) = Element(descr.Groups[1].Value);
        if (size == 0)
        {
            throw new DataFormatException(
                file, $"numbers in '{name}'", $"elements of type '{descr.Groups[1].Value}'", "save it as float32, float64 or int64");
        }

        long[]? sizes = Sizes(shape.Groups[1].Value);
        return sizes is null || InputFile.SizeOf(sizes, size) is null
            ? throw Bad(file, name, "a shape that a computer can hold", $"({Excerpt(shape.Groups[1].Value)})")
            : new NpyHeader(descr.Groups[1].Value, type, size, order.Groups[1].Value == "True", sizes, 8 + lengthBytes + (int)length);
    }

    /// <summary>The header of a little-endian, row-major array of version 1, padded so that the elements begin at a multiple of 64.</summary>
    /// <exception cref="CurvatureException">numpy has no such element type.</exception>
    public static byte[] Write(Tensor array, string name)
    {
        const int Fixed = 10, Alignment = 64;
        string descr = array.dtype switch
        {
            ScalarType.Float16 => "<f2",
            ScalarType.Float32 => "<f4",
            ScalarType.Float64 => "<f8",
            ScalarType.Int8 => "|i1",
            ScalarType.Int16 => "<i2",
            ScalarType.Int32 => "<i4",
            ScalarType.Int64 => "<i8",
            ScalarType.Byte => "|u1",
            ScalarType.Bool => "|b1",
            _ => throw new CurvatureException($"{name}: numpy has no type for {ElementTypes.Name(array.dtype)}. Convert it to float32."),
        };
        string shape = string.Concat(array.shape.Select(size => size.ToString(CultureInfo.InvariantCulture) + ", "));
        string text = $"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}";
        int length = ((Fixed + text.Length + Alignment) / Alignment * Alignment) - Fixed; // the line feed included
        return [0x93, .. "NUMPY"u8, 1, 0, (byte)(length % 256), (byte)(length / 256), .. Encoding.ASCII.GetBytes(text.PadRight(length - 1) + "\n")];
    }

    private static long[]? Sizes(string text)
    {
        string[] parts = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        long[] sizes = new long[parts.Length];
        bool fits = parts.Length <= MostDimensions;
        for (int i = 0; i < sizes.Length && fits; i++)
        {
            fits = long.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out sizes[i]);
        }

        return fits ? sizes : null;
    }

    /// <summary>Tensor type and bytes of a numpy type string; bytes 0 where the elements are not plain numbers.</summary>
    private static (ScalarType? Type, int Size) Element(string descr) => (descr[0], descr[1..]) switch
    {
        (not ('<' or '>' or '|' or '='), _) => (null, 0),
        (_, "f2") => (ScalarType.Float16, 2),
        (_, "f4") => (ScalarType.Float32, 4),
        (_, "f8") => (ScalarType.Float64, 8),
        (_, "i1") => (ScalarType.Int8, 1),
        (_, "i2") => (ScalarType.Int16, 2),
        (_, "i4") => (ScalarType.Int32, 4),
        (_, "i8") => (ScalarType.Int64, 8),
        (_, "u1") => (ScalarType.Byte, 1),
        (_, "b1") => (ScalarType.Bool, 1),
        (_, "u2") => (null, 2),
        (_, "u4") => (null, 4),
        (_, "u8" or "c8") => (null, 8),
        (_, "c16") => (null, 16),
        _ => (null, 0),
    };

    private static byte[] Take(Stream source, int count, string file, string name)
    {
        byte[] bytes = new byte[count];
        return source.ReadAtLeast(bytes, count, throwOnEndOfStream: false) == count
            ? bytes
            : throw Bad(file, name, "a whole npy header", "the end of the data");
    }

    private static string Excerpt(string text) => text.Length <= 80 ? text.Trim() : text[..80] + "...";

    private static DataFormatException Bad(string file, string name, string expected, string got) =>
        DataFormatException.Corrupt(file, $"{expected} in '{name}'", got);

    [GeneratedRegex(@"'descr'\s*:\s*'([^']{2,16})'")]
    private static partial Regex DescrPattern();

    [GeneratedRegex(@"'fortran_order'\s*:\s*(True|False)\b")]
    private static partial Regex OrderPattern();

    [GeneratedRegex(@"'shape'\s*:\s*\(([0-9,\s]*)\)")]
    private static partial Regex ShapePattern();
}
