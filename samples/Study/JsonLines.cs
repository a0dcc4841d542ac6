using System.Text.Json;

namespace Curvature.Samples.Study;

/// <summary>
/// Results that are kept, one line of JSON each. A line is added when its result is there; a last line that was cut, by a process that was killed, counts as a result that is not there.
/// </summary>
internal sealed class JsonLines<T>
{
    private static readonly JsonSerializerOptions Format = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private readonly List<T> _all = [];
    private readonly string? _path;

    /// <param name="path">A file, which may not exist yet; null keeps results in memory.</param>
    /// <exception cref="CurvatureException">A line in the middle of the file is damaged.</exception>
    public JsonLines(string? path = null)
    {
        _path = path;
        if (path is null || !File.Exists(path))
        {
            return;
        }

        string[] lines = File.ReadAllText(path).Split('\n');
        for (int i = 0; i < lines.Length - 1; i++)
        {
            try
            {
                _all.Add(JsonSerializer.Deserialize<T>(lines[i], Format) ?? throw new JsonException("null"));
            }
            catch (JsonException error)
            {
                throw new CurvatureException($"{path}: line {i + 1} is not a result of the study ({error.Message}); remove that line, and the result is made again.", error);
            }
        }

        if (lines[^1].Length > 0)
        {
            AtomicFile.WriteText(path, string.Concat(lines[..^1].Select(line => line + "\n")));
        }
    }

    /// <summary>All of them, in the order in which they were made.</summary>
    public IReadOnlyList<T> All => _all;

    /// <summary>Adds a result, to the file too.</summary>
    public void Add(T result)
    {
        _all.Add(result);
        if (_path is not null)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(_path))!);
            File.AppendAllText(_path, JsonSerializer.Serialize(result, Format) + "\n");
        }
    }
}
