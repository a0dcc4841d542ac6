using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Quant.Networks;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature quantize</c>: puts a model's weights on the grids of a plan, and says what that does to loss and accuracy.</summary>
internal static class QuantizeCommand
{
    public static Command Create(Terminal terminal)
    {
        var work = new WorkOptions(WorkKind.Quantize);
        Option<string?> plan = Choices.Text("--plan", "FILE", "plan.json of 'curvature plan', or any JSON with bits by layer under \"assignment\"");
        Option<string?> file = Choices.Text("--out", "FILE", "the quantized model, in the format of MODEL (.pth becomes .safetensors); weights have the values of their grids");
        Option<string?> test = Choices.Text("--test", "DATA", "also measure on these samples");
        Option<string?> scales = Choices.Text("--scales", "FILE.json", "write the grids of all channels: scale, zero point, range of codes");
        Option<string?> calibrate = Choices.Word("--calibrate", "none: weights are rounded; light: also batch norms' statistics taken anew; adaquant: layers and biases learned from DATA, without targets (C# models; inputs as the plan has them) [none]", QuantizedModel.Calibrations);
        var json = new Option<bool>("--json") { Description = "print one JSON object" };
        (plan.Required, file.Required) = (true, true);
        var command = new Command("quantize", "applies a plan to a model's weights (simulated quantization) and measures loss and accuracy before and after");
        work.AddTo(command);
        foreach (Option option in (Option[])[plan, file, test, calibrate, scales, json])
        {
            command.Add(option);
        }

        command.SetAction(parse =>
        {
            QuantizeReport report = QuantizeRun.Run(
                new QuantizeRequest
                {
                    Work = work.Read(parse),
                    Plan = parse.GetValue(plan)!,
                    Out = parse.GetValue(file)!,
                    Test = parse.GetValue(test),
                    Scales = parse.GetValue(scales),
                    Calibration = parse.GetValue(calibrate) ?? QuantizedModel.None,
                },
                terminal);
            if (parse.GetValue(json))
            {
                terminal.Output.Write(Numbers(report).Write(report.Findings));
            }
            else
            {
                Print(terminal, report);
            }

            return CurvatureCommand.Success;
        });
        return command;
    }

    private static JsonReport Numbers(QuantizeReport report) => new JsonReport(report.Environment)
        .Add("quantization", new Dictionary<string, object?>
        {
            ["average_bits"] = report.AverageBits,
            ["size_bytes"] = report.SizeBits / 8.0,
            ["calibration"] = Calibration(report),
            ["before"] = PlanJson.Quality(report.Before.Data, report.Before.Test),
            ["after"] = PlanJson.Quality(report.After.Data, report.After.Test),
        })
        .Add("layers", report.Layers.Select(layer => new Dictionary<string, object?>
        {
            ["name"] = layer.Name,
            ["parameters"] = layer.Parameters,
            ["bits"] = report.Plan.Assignment[layer.Name],
            ["squared_error"] = report.SquaredErrors.TryGetValue(layer.Name, out double error) ? error : null,
            ["output_error"] = report.Calibration?.OutputErrors.TryGetValue(layer.Name, out (double Before, double After) output) == true ? new Dictionary<string, object?> { ["rounded"] = output.Before, ["calibrated"] = output.After } : null,
        }))
        .Add("file", report.Request.Out);

    private static Dictionary<string, object?>? Calibration(QuantizeReport report) => report.Calibration is not { } calibration ? null : new()
    {
        ["method"] = report.Request.Calibration,
        ["samples"] = calibration.Samples,
        ["batch_norms"] = calibration.BatchNorms,
        ["divergence_before_biases"] = calibration.Divergence?.Before,
        ["divergence"] = calibration.Divergence?.After,
    };

    private static void Print(Terminal terminal, QuantizeReport report)
    {
        WorkRequest work = report.Request.Work;
        terminal.Print($"{Path.GetFileName(work.Model)}: {Format.Count(report.Layers.Count, "layer")} at {Format.Number(report.AverageBits)} bits a weight, {Format.Count((long)Math.Ceiling(report.SizeBits / 8.0))} bytes");
        terminal.Print($"{work.Loss} on {work.DataName}; weights quantized, {(report.QuantizesInputs ? "layers' inputs too" : "activations in floating point")}");
        terminal.Print();
        bool test = report.Request.Test is not null;
        terminal.Print(
            ["", "loss", "accuracy", .. test ? ["test loss", "test accuracy"] : Array.Empty<string>()],
            new[] { ("before", report.Before), ("after", report.After) }.Select(row => (string[])[row.Item1, .. PlanText.Cells(row.Item2.Data), .. row.Item2.Test is { } held ? PlanText.Cells(held) : []]));
        terminal.Print();
        terminal.Print(
            ["layer", "weights", "bits", "squared error"],
            report.Layers.Select(layer => (string[])
            [
                layer.Name,
                Format.Count(layer.Parameters),
                report.Plan.Assignment[layer.Name] is var bits && bits == QuantizedWeights.Unquantized ? "float" : $"{bits}",
                report.SquaredErrors.TryGetValue(layer.Name, out double error) ? Format.Number(error) : "-",
            ]));
        ReportText.Findings(terminal, Numbers(report).Findings(report.Findings));
        terminal.Print($"weights: {Path.GetFullPath(report.Request.Out)}");
    }
}
