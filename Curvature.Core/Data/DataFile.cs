using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>
/// Data sets by file name: <c>.npz</c> and <c>.safetensors</c> with arrays <c>x</c> and <c>y</c>, <c>.csv</c> and <c>.csv.gz</c>, or a
/// pair
/// <c>IMAGES,LABELS</c> of IDX files. Files are not trusted: whatever they hold, reading ends with data or with one clear message.
/// </summary>
public static class DataFile
{
    private const string InputName = "x";
    private const string TargetName = "y";

    /// <summary>Reads a data set. The caller disposes it.</summary>
    /// <remarks>
    /// uint8 images of an IDX pair become <c>[N, 1, H, W]</c> of <see cref="DataOptions.InputType"/>, divided by 255. Integer inputs of
    /// other files become int64 (tokens), or <see cref="DataOptions.InputType"/> where a scale is given. Integer and boolean targets
    /// become int64.
    /// </remarks>
    /// <param name="specification">A file, or the two files of an IDX pair with a comma between.</param>
    /// <param name="options">How to read it.</param>
    /// <exception cref="DataFormatException">No such file, one that cannot be read, no samples, an element that is NaN or infinite, or a target column for a file
    /// that has none.</exception>
    public static Dataset Read(string specification, DataOptions options)
    {
        string[] parts = Parts(specification, options, out string format);
        if (parts.Length == 2)
        {
            return ReadPair(specification, parts[0], parts[1], options);
        }

        return format switch
        {
            "npz" => FromArrays(specification, NpzFile.Read(specification, InputName, TargetName), options),
            "safetensors" => FromArrays(specification, SafetensorsFile.Read(specification, InputName, TargetName), options),
            "CSV" => CsvFile.Read(specification, options),
            string alone => throw Alone(specification, alone),
        };
    }

    /// <summary>The same data set, of which nothing but headers is read yet (of a CSV file and of compressed ones: all that their number of samples asks for).</summary>
    /// <param name="specification">As <see cref="Read"/> takes it.</param>
    /// <param name="options">How to read it.</param>
    /// <exception cref="DataFormatException">As <see cref="Read"/>, but for what is wrong with single samples.</exception>
    public static SampleFile Open(string specification, DataOptions options)
    {
        string[] parts = Parts(specification, options, out string format);
        return (parts, format) switch
        {
            ([var images, var labels], _) => SampleFile.OfArrays(
                specification, IdxFile.Describe(images).Shape, IdxFile.Describe(labels).Shape, rows => ReadPair(specification, images, labels, options, rows)),
            (_, "npz") => Of(NpzFile.Shapes(specification, InputName, TargetName), NpzFile.ReadRows, () => NpzFile.Verify(specification)),
            (_, "safetensors") => Of(SafetensorsFile.Shapes(specification, InputName, TargetName), SafetensorsFile.ReadRows, null),
            (_, "CSV") => CsvFile.Open(specification, options),
            (_, var alone) => throw Alone(specification, alone),
        };

        SampleFile Of(IReadOnlyList<long[]> shapes, Func<string, string, IReadOnlyList<long>, Tensor> read, Action? verify) => SampleFile.OfArrays(
            specification,
            shapes[0],
            shapes[1],
            rows =>
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor inputs = read(specification, InputName, rows);
                return Dataset.Take(specification, inputs, read(specification, TargetName, rows), options, rows);
            },
            verify);
    }

    /// <summary>What is in a data file: its arrays with types and shapes. A CSV file is described as it would be read.</summary>
    /// <param name="path">One file.</param>
    /// <exception cref="DataFormatException">No such file, or one that cannot be read.</exception>
    public static FileContents Describe(string path)
    {
        string format = FormatOf(path);
        IReadOnlyList<ArrayEntry> entries = format switch
        {
            "npz" => NpzFile.Describe(path),
            "npy" => [NpyFile.Describe(path)],
            "safetensors" => SafetensorsFile.Describe(path),
            "CSV" => CsvFile.Describe(path),
            _ => [IdxFile.Describe(path)],
        };
        return new FileContents(path, format, InputFile.Sha256(path), entries);
    }

    /// <summary>The one file, or the two of a pair, and their format.</summary>
    private static string[] Parts(string specification, DataOptions options, out string format)
    {
        string[] parts = specification.Split(',');
        bool isPair = parts.Length == 2 && !File.Exists(specification);
        format = isPair ? "IDX" : FormatOf(specification);
        return options.Target is not { } column || format == "CSV"
            ? isPair ? parts : [specification]
            : throw new DataFormatException(
                specification, "a CSV file, whose columns a target is one of", $"{format} and the target column '{column}'", "leave out the target (--target): this file has its own");
    }

    private static DataFormatException Alone(string specification, string format) => new(
        specification,
        "inputs and targets",
        $"one {format} file",
        "give a pair IMAGES,LABELS of IDX files, or save both with np.savez(file, x=.., y=..)");

    private static string FormatOf(string path)
    {
        string name = Path.GetFileName(path).ToUpperInvariant();
        name = name.EndsWith(".GZ", StringComparison.Ordinal) ? name[..^3] : name;
        return Path.GetExtension(name) switch
        {
            ".NPZ" => "npz",
            ".NPY" => "npy",
            ".SAFETENSORS" => "safetensors",
            ".CSV" or ".TXT" => "CSV",
            _ when name.Contains("IDX", StringComparison.Ordinal) => "IDX",
            _ => throw new DataFormatException(
                path,
                "a data file",
                "a name of no known kind",
                "name a .npz, .safetensors, .csv or .csv.gz file, or a pair IMAGES,LABELS of IDX files"),
        };
    }

    private static Dataset FromArrays(string path, IReadOnlyDictionary<string, Tensor> arrays, DataOptions options) =>
        Dataset.Take(path, arrays[InputName], arrays[TargetName], options);

    private static Dataset ReadPair(string specification, string images, string labels, DataOptions options, IReadOnlyList<long>? rows = null)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor targets = rows is null ? IdxFile.Read(labels) : IdxFile.ReadRows(labels, rows);
        Tensor pixels = rows is null ? IdxFile.Read(images) : IdxFile.ReadRows(images, rows);
        if (targets.ndim != 1 || pixels.ndim < 2)
        {
            throw new DataFormatException(
                specification,
                "images [N, H, W] and labels [N]",
                $"{InputFile.Show(pixels.shape)} and {InputFile.Show(targets.shape)}",
                "name the images first, then the labels");
        }

        pixels = pixels.ndim == 3 ? pixels.unsqueeze(1) : pixels;
        return Dataset.Take(specification, pixels.to(options.InputType).div_(255), targets, options, rows);
    }
}
