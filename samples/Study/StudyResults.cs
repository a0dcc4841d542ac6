using System.Text.Json;

namespace Curvature.Samples.Study;

/// <summary>
/// The runs that were made, one line of JSON each. A line is added when its run is finished; a last line that was cut, by a process that was killed, counts as a run that was not
/// made.
/// </summary>
internal sealed class StudyResults
{
    private static readonly JsonSerializerOptions Format = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private readonly List<Trial> _trials = [];
    private readonly string? _path;

    /// <param name="path">A file, which may not exist yet; null keeps results in memory.</param>
    /// <exception cref="CurvatureException">A line in the middle of the file is damaged.</exception>
    public StudyResults(string? path = null)
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
                _trials.Add(JsonSerializer.Deserialize<Trial>(lines[i], Format) ?? throw new JsonException("null"));
            }
            catch (JsonException error)
            {
                throw new CurvatureException($"{path}: line {i + 1} is not a run of the study ({error.Message}); remove that line, and the run is made again.", error);
            }
        }

        if (lines[^1].Length > 0)
        {
            AtomicFile.WriteText(path, string.Concat(lines[..^1].Select(line => line + "\n")));
        }
    }

    /// <summary>All of them, in the order in which they were made.</summary>
    public IReadOnlyList<Trial> All => _trials;

    /// <summary>Those of an optimizer, with the settings and for the batches that it has now.</summary>
    public IEnumerable<Trial> Of(StudyProblem problem, Contender contender) => _trials.Where(trial =>
        trial.Problem == problem.Name && trial.BatchSize == problem.BatchSize && trial.Optimizer == contender.Name && trial.Settings == contender.Settings);

    /// <summary>Adds a run, to the file too.</summary>
    public void Add(Trial trial)
    {
        _trials.Add(trial);
        if (_path is not null)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(_path))!);
            File.AppendAllText(_path, JsonSerializer.Serialize(trial, Format) + "\n");
        }
    }
}
