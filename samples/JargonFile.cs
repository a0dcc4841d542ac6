using System.IO.Compression;
using System.Text;
using Curvature.Data;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// The Jargon File (1.6 million characters, public domain) for models that predict the next character. Characters are numbered from the most frequent on; those beyond
/// the first <see cref="Symbols"/> - 1 share the last number.
/// </summary>
internal static class JargonFile
{
    /// <summary>Where Debian's package jargon-text puts it.</summary>
    public const string DebianPath = "/usr/share/doc/jargon-text/jargon.txt.gz";

    /// <summary>How many different symbols there are.</summary>
    public const int Symbols = 96;

    /// <summary>The text, gzip-compressed or plain.</summary>
    /// <exception cref="MissingDataException">There is no such file.</exception>
    /// <exception cref="DataFormatException">The file is damaged.</exception>
    public static string ReadText(string path = DebianPath)
    {
        if (!File.Exists(path))
        {
            throw new MissingDataException($"The Jargon File is not at {path}; install it: apt-get install jargon-text.");
        }

        byte[] bytes = File.ReadAllBytes(path);
        try
        {
            return Encoding.UTF8.GetString(bytes is [0x1F, 0x8B, ..] ? Decompress(bytes) : bytes);
        }
        catch (InvalidDataException error)
        {
            throw new DataFormatException(path, "text compressed by gzip", "bytes that do not decompress", "install jargon-text again", error);
        }
    }

    /// <summary>
    /// The text as windows of <paramref name="length"/> symbols that follow one another, <c>[N, length]</c>, each with the same window one symbol later as targets. The last
    /// tenth of the windows is for testing. The caller disposes both.
    /// </summary>
    public static (Dataset Train, Dataset Test) Windows(string text, int length)
    {
        Dictionary<char, long> numbers = text.GroupBy(c => c).OrderByDescending(group => group.Count()).ThenBy(group => group.Key)
            .Select((group, i) => (group.Key, Math.Min(i, Symbols - 1L))).ToDictionary();
        long[] symbols = [.. text.Select(c => numbers[c])];
        int windows = (symbols.Length - 1) / length, train = windows - (windows / 10);
        Dataset Of(string name, int from, int to)
        {
            using Tensor all = tensor(symbols[(from * length)..((to * length) + 1)]);
            using Tensor x = all[..((to - from) * length)], y = all[1..];
            return new Dataset(x.reshape(-1, length).clone(), y.reshape(-1, length).clone(), name);
        }

        return (Of("Jargon File", 0, train), Of("end of the Jargon File", train, windows));
    }

    private static byte[] Decompress(byte[] bytes)
    {
        using GZipStream zipped = new(new MemoryStream(bytes), CompressionMode.Decompress);
        using MemoryStream plain = new();
        zipped.CopyTo(plain);
        return plain.ToArray();
    }
}
