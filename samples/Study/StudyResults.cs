namespace Curvature.Samples.Study;

/// <summary>The runs that were made.</summary>
internal sealed class StudyResults
{
    private readonly JsonLines<Trial> _trials;

    /// <param name="path">A file, which may not exist yet; null keeps results in memory.</param>
    /// <exception cref="CurvatureException">A line in the middle of the file is damaged.</exception>
    public StudyResults(string? path = null) => _trials = new JsonLines<Trial>(path);

    /// <summary>All of them, in the order in which they were made.</summary>
    public IReadOnlyList<Trial> All => _trials.All;

    /// <summary>Those of an optimizer, with the settings and for the batches that it has now.</summary>
    public IEnumerable<Trial> Of(StudyProblem problem, Contender contender) => All.Where(trial =>
        trial.Problem == problem.Name && trial.BatchSize == problem.BatchSize && trial.Optimizer == contender.Name && trial.Settings == contender.Settings);

    /// <summary>Adds a run, to the file too.</summary>
    public void Add(Trial trial) => _trials.Add(trial);
}
