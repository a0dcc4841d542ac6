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
        string[] parts = specification.Split(',');
        bool isPair = parts.Length == 2 && !File.Exists(specification);
        string format = isPair ? "IDX" : FormatOf(specification);
        if (options.Target is { } column && format != "CSV")
        {
            throw new DataFormatException(
                specification, "a CSV file, whose columns a target is one of", $"{format} and the target column '{column}'", "leave out the target (--target): this file has its own");
        }

        if (isPair)
        {
            return ReadPair(specification, parts[0], parts[1], options);
        }

        return format switch
        {
            "npz" => FromArrays(specification, NpzFile.Read(specification, InputName, TargetName), options),
            "safetensors" => FromArrays(specification, SafetensorsFile.Read(specification, InputName, TargetName), options),
            "CSV" => CsvFile.Read(specification, options),
            string alone => throw new DataFormatException(
                specification,
                "inputs and targets",
                $"one {alone} file",
                "give a pair IMAGES,LABELS of IDX files, or save both with np.savez(file, x=.., y=..)"),
        };
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

    private static Dataset ReadPair(string specification, string images, string labels, DataOptions options)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor targets = IdxFile.Read(labels);
        Tensor pixels = IdxFile.Read(images);
        if (targets.ndim != 1 || pixels.ndim < 2)
        {
            throw new DataFormatException(
                specification,
                "images [N, H, W] and labels [N]",
                $"{InputFile.Show(pixels.shape)} and {InputFile.Show(targets.shape)}",
                "name the images first, then the labels");
        }

        pixels = pixels.ndim == 3 ? pixels.unsqueeze(1) : pixels;
        return Dataset.Take(specification, pixels.to(options.InputType).div_(255), targets, options);
    }
}
