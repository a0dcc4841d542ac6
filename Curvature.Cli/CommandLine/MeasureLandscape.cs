using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Sharpness;
using Curvature.Viz.Figures;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature measure landscape</c>: the loss along lines and over a plane through a checkpoint, or on the way to another.</summary>
internal static class MeasureLandscape
{
    public static Command Create(Terminal terminal)
    {
        var work = new WorkOptions(checkpoints: false);
        Option<string?> directions = Choices.Word("--directions", "random ones, filter by filter as long as the weights, or the two sharpest [random]", LandscapeWork.Random, LandscapeWork.Eigenvectors);
        Option<int?> steps = Choices.Count("--steps", "points along each direction [21]", most: 1001);
        Option<double?> range = Choices.Real("--range", "R", "how far, from -R to R [1]; with --to the middle of R times the way [2]", "a number above 0", r => r > 0);
        Option<int?> dimensions = Choices.Count("--dimensions", "1: lines alone, 2: the plane too [2]", most: 2);
        Option<string?> to = Choices.Text("--to", "OTHER_MODEL", "the line to another checkpoint of the same network instead");
        Option<string?> folder = Choices.Text("--out", "DIR", "folder for the figures and landscape.json, created if missing");
        Option<string?> format = FigureFormatOption.Create();
        var json = new Option<bool>("--json") { Description = "print one JSON object" };
        var command = new Command("landscape", "the loss along lines and over a plane through the checkpoint, or on the line to another");
        work.AddTo(command);
        foreach (Option option in (Option[])[directions, steps, range, dimensions, to, folder, format, json])
        {
            command.Add(option);
        }

        command.Validators.Add(work.Validate);
        command.Validators.Add(result => work.RequireHessian(result, "a landscape"));
        command.Validators.Add(result =>
        {
            if (Choices.Given(result, to) is not null && (Choices.Given(result, directions) is not null || Choices.Given(result, dimensions) is not null))
            {
                result.AddError("--to looks along one line: leave out --directions and --dimensions.");
            }

            if (int.TryParse(Choices.Given(result, steps), out int count) && (count < 3 || count % 2 == 0))
            {
                result.AddError($"--steps {count}: expected an odd number of at least 3, so that the middle one is the checkpoint.");
            }
        });
        command.Validators.Add(result => FigureFormatOption.RequireFolder(result, format, folder));
        command.SetAction(parse =>
        {
            FigureFormat figures = FigureFormatOption.Read(parse, format);
            LandscapeReport report = LandscapeRun.Run(
                new LandscapeRequest
                {
                    Work = work.Read(parse),
                    Directions = parse.GetValue(directions) ?? LandscapeWork.Random,
                    Steps = parse.GetValue(steps) ?? 21,
                    Range = parse.GetValue(range),
                    Dimensions = parse.GetValue(dimensions) ?? 2,
                    To = parse.GetValue(to),
                    Out = parse.GetValue(folder),
                },
                terminal);
            JsonReport numbers = new JsonReport(report.Environment).Add("landscape", LandscapeJson.Of(report.Landscape));
            string text = numbers.Write(report.Findings);
            IReadOnlyList<string> files = report.Request.Out is { } folderName && Team.Leads ? ReportWriter.Write(Figures(report), LandscapeRun.FileName, text, folderName, figures, terminal.Cancellation) : [];
            if (parse.GetValue(json))
            {
                terminal.Output.Write(text);
            }
            else
            {
                Print(terminal, report with { Findings = numbers.Findings(report.Findings) }, files);
            }

            return CurvatureCommand.Success;
        });
        return command;
    }

    private static IReadOnlyList<Figure> Figures(LandscapeReport report) =>
        KnownFigures.Of(new SharpnessSummary { Parameters = report.Parameters, Landscape = report.Landscape });

    private static void Print(Terminal terminal, LandscapeReport report, IReadOnlyList<string> files)
    {
        WorkRequest work = report.Request.Work;
        string data = report.Samples < report.SamplesAvailable ? $"{Format.Count(report.Samples)} of {Format.Count(report.SamplesAvailable, "sample")}" : Format.Count(report.Samples, "sample");
        terminal.Print($"{work.Loss} of {Path.GetFileName(work.Model)} ({Format.Count(report.Parameters, "parameter")}) on {work.DataName}, {data}");
        terminal.Print($"positions: {report.Landscape.Unit}");
        terminal.Print();
        terminal.Print(
            ["position", .. report.Landscape.Curves.Select(curve => curve.Name)],
            report.Landscape.Curves[0].Curve.Positions.Select((t, i) => (string[])[Format.Number(t), .. report.Landscape.Curves.Select(curve => Number(curve.Curve.Losses[i]))])
                .Concat(report.Request.To is null ? [["slope", .. report.Landscape.Curves.Select(c => Number(c.Curve.Quadratic!.Value.Slope))], ["curvature", .. report.Landscape.Curves.Select(c => Number(c.Curve.Quadratic!.Value.Curvature))]] : Array.Empty<string[]>()));
        if (report.Landscape.Surface is { } surface)
        {
            IEnumerable<double> finite = surface.Losses.SelectMany(row => row).Where(double.IsFinite);
            terminal.Print();
            terminal.Print($"plane of {surface.Up.Count} x {surface.Across.Count} points: losses from {Number(finite.DefaultIfEmpty(double.NaN).Min())} to {Number(finite.DefaultIfEmpty(double.NaN).Max())}");
        }

        ReportText.Findings(terminal, report.Findings);
        foreach (string file in files)
        {
            terminal.Print($"file: {Path.GetFullPath(file)}");
        }
    }

    private static string Number(double loss) => double.IsFinite(loss) ? Format.Number(loss) : "not finite";
}
