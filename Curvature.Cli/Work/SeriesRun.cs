using Curvature.Cli.Output;
using Curvature.Objectives;
using Curvature.Viz.Report;

namespace Curvature.Cli.Work;

/// <summary>Several checkpoints measured alike: an equal share of the time each, the samples of the first for all, and the same seed, so that checkpoints of one network meet the same probes.</summary>
internal static class SeriesRun
{
    /// <summary>Measures them one after the other.</summary>
    public static IReadOnlyList<SharpnessReport> Run(WorkRequest request, IReadOnlyList<string> models, Quantities wanted, Terminal terminal)
    {
        Team.Join(request.RankTimeout).Together(() => RequireFiles(models));
        List<SharpnessReport> reports = [];
        int? samples = request.Samples;
        foreach (string model in models)
        {
            terminal.Say($"checkpoint {reports.Count + 1} of {models.Count}: {model}");
            reports.Add(Measurement.Run(request with { Model = model, Checkpoint = request.Checkpoint is { } folder ? Path.Combine(folder, $"{reports.Count + 1}-{Path.GetFileNameWithoutExtension(model)}") : null, Budget = request.Budget / models.Count, Samples = samples }, wanted, terminal));
            samples ??= (int)(long)reports[0].Environment.First(entry => entry.Key == "samples").Value!;
        }

        return reports;
    }

    /// <summary>Before the first is measured.</summary>
    private static void RequireFiles(IEnumerable<string> models)
    {
        if (models.FirstOrDefault(model => !File.Exists(model)) is { } missing)
        {
            throw new CurvatureException($"{missing}: expected a file, got nothing of that name; check the path.");
        }
    }
}
