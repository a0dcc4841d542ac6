using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Krylov;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature report</c>: everything the budget allows about one checkpoint, as one page.</summary>
internal static class ReportCommand
{
    private const string DefaultFolder = "curvature-report";

    public static Command Create(Terminal terminal)
    {
        var work = new WorkOptions();
        var trace = new TraceOptions(alone: false);
        var eigenvalues = new EigenvalueOptions(Spectrum.Both, alone: false);
        var density = new DensityOptions();
        Option<string?> folder = Out();
        var command = new Command("report", "sharpness report of a checkpoint: trace by layer, extreme eigenvalues, density of the spectrum");
        work.AddTo(command);
        trace.AddTo(command);
        eigenvalues.AddTo(command);
        density.AddTo(command);
        command.Add(folder);
        command.Validators.Add(work.Validate);
        command.SetAction(parse =>
        {
            WorkRequest request = work.Read(parse);
            var wanted = new Quantities
            {
                Trace = trace.Read(parse, request.Seed),
                Eigenvalues = eigenvalues.Read(parse, request.Seed),
                Density = density.Read(parse, request.Seed),
            };
            return Write(request, wanted, parse.GetValue(folder), terminal);
        });
        return command;
    }

    /// <summary>Where a report goes.</summary>
    public static Option<string?> Out() =>
        Choices.Text("--out", "DIR", $"folder for report.html, report.json and the figures, created if missing [{DefaultFolder}]");

    /// <summary>Measures, writes the report's files and prints its main numbers.</summary>
    public static int Write(WorkRequest request, Quantities wanted, string? folder, Terminal terminal)
    {
        folder ??= DefaultFolder;
        AtomicFile.CheckFolder(folder);
        SharpnessReport report = Measurement.Run(request, wanted, terminal);
        IReadOnlyList<string> files = ReportWriter.Write(report, folder, terminal.Cancellation);
        ReportText.Head(terminal, report);
        ReportText.Trace(terminal, report.Summary);
        ReportText.Eigenvalues(terminal, report.Summary);
        ReportText.Density(terminal, report.Summary);
        ReportText.Findings(terminal, report);
        terminal.Print();
        terminal.Print($"report: {Path.GetFullPath(files[0])}");
        return CurvatureCommand.Success;
    }
}
