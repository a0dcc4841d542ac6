using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>
/// numpy's file of one array (<c>np.save</c>), versions 1 to 3: float16/32/64, signed integers, uint8 and bool, little- or big-endian,
/// row- or column-major. Arrays of Python objects are refused: they are pickles.
/// </summary>
public static class NpyFile
{
    /// <summary>The array as a contiguous tensor on the CPU; the caller disposes it.</summary>
    /// <exception cref="DataFormatException">Not such a file, or cut, longer than its header says, or of another element
    /// type.</exception>
    public static Tensor Read(string path)
    {
        using FileStream file = InputFile.Open(path);
        return ReadArray(file, file.Length, path, Path.GetFileName(path));
    }

    /// <summary>The array's type and shape, from its header.</summary>
    /// <exception cref="DataFormatException">The header is not one, or does not fit the length of the file.</exception>
    public static ArrayEntry Describe(string path)
    {
        using FileStream file = InputFile.Open(path);
        string name = Path.GetFileName(path);
        return Entry(ReadHeader(file, file.Length, path, name), name);
    }

    /// <summary>An array of <paramref name="length"/> bytes, header included.</summary>
    internal static Tensor ReadArray(Stream source, long length, string file, string name)
    {
        NpyHeader header = ReadHeader(source, length, file, name);
        ScalarType type = TypeOf(header, file, name);
        if (!header.Fortran)
        {
            return TensorBytes.Read(source, file, name, type, header.Shape, header.BigEndian);
        }

        return FromColumns(source, header, type, file, name);
    }

    private static ScalarType TypeOf(NpyHeader header, string file, string name) => header.Type ?? throw new DataFormatException(
        file,
        $"floating-point, signed or uint8 numbers in '{name}'",
        $"elements of type '{header.Descr}'",
        "save it as float32, float64 or int64");

    private static Tensor FromColumns(Stream source, NpyHeader header, ScalarType type, string file, string name)
    {
        long[] reversed = [.. header.Shape.Reverse()];
        using Tensor stored = TensorBytes.Read(source, file, name, type, reversed, header.BigEndian);
        using Tensor view = stored.permute([.. Enumerable.Range(0, reversed.Length).Select(i => (long)(reversed.Length - 1 - i))]);
        return view.clone().contiguous();
    }

    /// <summary>Rows of an array of <paramref name="length"/> bytes, header included; column-major ones are read whole.</summary>
    /// <param name="source">At the header.</param>
    /// <param name="length">Bytes of header and elements.</param>
    /// <param name="file">For messages.</param>
    /// <param name="name">The array's name, for messages.</param>
    /// <param name="rows">Which.</param>
    /// <param name="elements">Where the elements are, behind a header of so many bytes.</param>
    internal static Tensor ReadRows(Stream source, long length, string file, string name, IReadOnlyList<long> rows, Func<int, RowBytes> elements)
    {
        NpyHeader header = ReadHeader(source, length, file, name);
        ScalarType type = TypeOf(header, file, name);
        if (!header.Fortran)
        {
            return elements(header.Length).Read(file, name, type, header.Shape, rows, header.BigEndian);
        }

        using DisposeScope scope = NewDisposeScope();
        Tensor whole = FromColumns(source, header, type, file, name);
        return whole.index_select(0, tensor(rows.ToArray())).MoveToOuterDisposeScope();
    }

    /// <summary>A header whose shape is checked against the bytes that are there, before anything is allocated for it.</summary>
    internal static NpyHeader ReadHeader(Stream source, long length, string file, string name)
    {
        NpyHeader header = NpyHeader.Read(source, file, name);
        return header.DataLength == length - header.Length
            ? header
            : throw DataFormatException.Corrupt(
                file, $"{header.DataLength} bytes of data for '{name}' {InputFile.Show(header.Shape)}", $"{length - header.Length}");
    }

    /// <summary>A header as a line of <c>curvature inspect</c>.</summary>
    internal static ArrayEntry Entry(NpyHeader header, string name) =>
        new(name, header.Type is ScalarType type ? ElementTypes.Name(type) : header.Descr, header.Shape, header.DataLength ?? 0);
}
