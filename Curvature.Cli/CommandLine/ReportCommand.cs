using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Krylov;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature report</c>: everything the budget allows about one checkpoint, as one page.</summary>
internal static class ReportCommand
{
    private const string DefaultFolder = "curvature-report";

    public static Command Create(Terminal terminal)
    {
        var work = new WorkOptions(recordings: true);
        var trace = new TraceOptions(alone: false);
        var eigenvalues = new EigenvalueOptions(Spectrum.Both, alone: false);
        var density = new DensityOptions();
        var stability = new StabilityOptions(alone: false);
        Option<string?> landscape = Choices.Word("--landscape", "also the loss along two directions and over their plane", LandscapeWork.Random, LandscapeWork.Eigenvectors);
        Option<string?> folder = Out(), format = FigureFormatOption.Create();
        var command = new Command("report", "sharpness report of a checkpoint: trace by layer, extreme eigenvalues, density of the spectrum; or the curves of a recorded training");
        work.AddTo(command);
        var more = new Argument<string[]>("MORE") { Arity = ArgumentArity.ZeroOrMore, Description = "further checkpoints, measured on the same samples: trends of a series, differences of two" };
        command.Add(more);
        trace.AddTo(command);
        eigenvalues.AddTo(command);
        density.AddTo(command);
        stability.AddTo(command);
        command.Add(landscape);
        command.Add(folder);
        command.Add(format);
        command.Validators.Add(work.Validate);
        command.Validators.Add(result =>
        {
            if (Choices.Given(result, landscape) is not null)
            {
                work.RequireHessian(result, landscape.Name);
            }
        });
        command.Validators.Add(result =>
        {
            if (result.GetResult(more) is { Tokens: [_, ..] others } && (work.NamesRecording(result) || others.Any(token => WorkOptions.IsRecording(token.Value))))
            {
                result.AddError("A series is made of checkpoints; name a recording of a training alone.");
            }
        });
        command.SetAction(parse =>
        {
            FigureFormat figures = FigureFormatOption.Read(parse, format);
            string[] others = parse.GetValue(more) ?? [];
            if (work.RecordingOf(parse) is { } recording)
            {
                return Watched(recording, WorkOptions.Line(parse), parse.GetValue(folder), figures, terminal);
            }

            WorkRequest request = work.Read(parse);
            var wanted = new Quantities
            {
                Trace = trace.Read(parse, request.Seed),
                Eigenvalues = eigenvalues.Read(parse, request.Seed),
                Density = density.Read(parse, request.Seed),
                Stability = stability.Stability(parse, request.Seed),
                BatchSizes = stability.BatchSizes(parse, request.Seed),
                Landscape = parse.GetValue(landscape) is { } directions ? new LandscapeWork { Directions = directions, Seed = request.Seed } : null,
            };
            if (request.EstimateFor is not null)
            {
                return Estimate(request, [request.Model, .. others], wanted, terminal);
            }

            return others.Length == 0
                ? Write(request, wanted, parse.GetValue(folder), figures, terminal)
                : WriteSeries(request, [request.Model, .. others], wanted, parse.GetValue(folder), figures, terminal);
        });
        return command;
    }

    /// <summary>Measures several checkpoints, writes a page of all and one of each, and prints their main numbers.</summary>
    private static int WriteSeries(WorkRequest request, IReadOnlyList<string> models, Quantities wanted, string? folder, FigureFormat format, Terminal terminal)
    {
        folder ??= DefaultFolder;
        Team.Look(request.RankTimeout, () => CheckFolder(folder, [.. models, request.Data]));
        IReadOnlyList<SharpnessReport> reports = SeriesRun.Run(request, models, wanted, terminal);
        if (!Team.Leads)
        {
            return CurvatureCommand.Success;
        }

        for (int i = 0; i < reports.Count; i++)
        {
            ReportWriter.Write(reports[i], Path.Combine(folder, $"{i + 1}-{Path.GetFileNameWithoutExtension(models[i])}"), format, terminal.Cancellation);
        }

        ReportContent content = SeriesContent.Of(reports, request.CommandLine);
        IReadOnlyList<string> files = ReportWriter.Write(content, SeriesContent.Json(content, reports), folder, format, terminal.Cancellation);
        terminal.Print(content.Lead);
        ReportText.Series(terminal, reports);
        ReportText.Findings(terminal, content.Findings);
        terminal.Print();
        terminal.Print($"report: {Path.GetFullPath(files[0])}");
        return CurvatureCommand.Success;
    }

    /// <summary>Says what each report would take.</summary>
    private static int Estimate(WorkRequest request, IReadOnlyList<string> models, Quantities wanted, Terminal terminal)
    {
        foreach (string model in models)
        {
            terminal.Print(Path.GetFileName(model));
            Measurement.Estimate(request with { Model = model, Budget = request.Budget / models.Count }, wanted, terminal).Print(terminal);
        }

        return CurvatureCommand.Success;
    }

    /// <summary>The page of a training that was recorded.</summary>
    private static int Watched(string recording, string commandLine, string? folder, FigureFormat format, Terminal terminal)
    {
        if (!Team.Leads)
        {
            return CurvatureCommand.Success;
        }

        folder ??= DefaultFolder;
        AtomicFile.CheckFolder(folder);
        IReadOnlyList<MonitorRecord> records = MonitorFile.Read(recording);
        var environment = new EnvironmentReport();
        environment.Add("recording", recording);
        environment.Add("recording_sha256", EnvironmentReport.Sha256(recording));
        environment.Add("observations", records.Count);
        ReportContent content = MonitorContent.Of(Path.GetFileName(recording), records, environment.Entries, commandLine);
        IReadOnlyList<string> files = ReportWriter.Write(content, MonitorJson.Write(content, records), folder, format, terminal.Cancellation);
        terminal.Print(content.Lead);
        ReportText.Findings(terminal, content.Findings);
        terminal.Print();
        terminal.Print($"report: {Path.GetFullPath(files[0])}");
        return CurvatureCommand.Success;
    }

    /// <summary>Where a report goes.</summary>
    public static Option<string?> Out() =>
        Choices.Text("--out", "DIR", $"folder for report.html, report.json and the figures, created if missing [{DefaultFolder}]");

    /// <summary>Measures, writes the report's files and prints its main numbers.</summary>
    public static int Write(WorkRequest request, Quantities wanted, string? folder, FigureFormat format, Terminal terminal)
    {
        folder ??= DefaultFolder;
        Team.Look(request.RankTimeout, () => CheckFolder(folder, request.Model, request.Data));
        SharpnessReport report = Measurement.Run(request, wanted, terminal);
        if (!Team.Leads)
        {
            return CurvatureCommand.Success;
        }

        IReadOnlyList<string> files = ReportWriter.Write(report, folder, format, terminal.Cancellation);
        ReportText.Head(terminal, report);
        ReportText.Trace(terminal, report.Summary);
        ReportText.Eigenvalues(terminal, report.Summary);
        ReportText.Density(terminal, report.Summary);
        ReportText.Stability(terminal, report.Summary);
        ReportText.BatchSizes(terminal, report.Summary);
        ReportText.Findings(terminal, SharpnessJson.Findings(report));
        terminal.Print();
        terminal.Print($"report: {Path.GetFullPath(files[0])}");
        return CurvatureCommand.Success;
    }

    /// <summary>Before any work: a folder that can be written, and none of the files that are read in it under the page's name.</summary>
    private static void CheckFolder(string folder, params string[] read)
    {
        AtomicFile.CheckFolder(folder);
        foreach (string file in (string[])["report.html", "report.json"])
        {
            InputFiles.Refuse(Path.Combine(folder, file), read);
        }
    }
}
