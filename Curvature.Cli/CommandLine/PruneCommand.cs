using System.CommandLine;
using System.CommandLine.Parsing;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Pruning;
using Curvature.Quant.Networks;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary><c>curvature prune</c>: sets weights to zero by Optimal Brain Surgeon, and says what that does to the loss, beside pruning by magnitude.</summary>
internal static class PruneCommand
{
    private static readonly Dictionary<string, PruningUpdate> Updates = new(StringComparer.Ordinal)
    {
        ["joint"] = PruningUpdate.Joint,
        ["independent"] = PruningUpdate.Independent,
        ["none"] = PruningUpdate.None,
    };

    private const string BlockSize = "--block-size";

    /// <summary>Whether a command line takes the matrix in blocks, which one process holds.</summary>
    public static bool IsOfBlocks(ParseResult parse) => parse.CommandResult.Children.OfType<OptionResult>().Any(option => !option.Implicit && option.Option.Name == BlockSize);

    public static Command Create(Terminal terminal)
    {
        var work = new WorkOptions(WorkKind.Prune);
        Option<double?> sparsity = Choices.Real("--sparsity", "S", "share of the weights to set to zero", "a number between 0 and 1", s => s is > 0 and < 1);
        Option<string?> file = Choices.Text("--out", "FILE", "the pruned model, in the format of MODEL (.pth becomes .safetensors)");
        Option<string?> test = Choices.Text("--test", "DATA", "also measure on these samples, which pruning does not see");
        Option<int?> gradients = Choices.Count("--gradients", "gradients in the inverse [512, or as many as there are samples]", most: 65536);
        Option<int?> each = Choices.Count("--gradient-samples", "samples of one gradient [16, or as many as there are for all]");
        Option<int?> steps = Choices.Count("--steps", "steps to the sparsity, each with gradients of its own [16]", most: 10_000);
        Option<double?> damping = Choices.Real("--damping", "LAMBDA", "added to the diagonal of the matrix [1e-5]", "a number above 0", lambda => lambda > 0);
        Option<int?> block = Choices.Count(BlockSize, "only curvature within blocks of N parameters [the whole matrix]");
        Option<string?> update = Choices.Word("--update", "how other weights make up for those that go [joint]", Updates.Keys);
        var json = new Option<bool>("--json") { Description = "print one JSON object" };
        (sparsity.Required, file.Required) = (true, true);
        var command = new Command("prune", "sets the weights that matter least to zero, and the others to make up for it (Optimal Brain Surgeon)");
        work.AddTo(command);
        foreach (Option option in (Option[])[sparsity, file, test, gradients, each, steps, damping, block, update, json])
        {
            command.Add(option);
        }

        command.SetAction(parse =>
        {
            PruneReport report = PruneRun.Run(
                new PruneRequest
                {
                    Work = work.Read(parse),
                    Sparsity = parse.GetValue(sparsity)!.Value,
                    Out = parse.GetValue(file)!,
                    Test = parse.GetValue(test),
                    Gradients = parse.GetValue(gradients) ?? 512,
                    GradientSamples = parse.GetValue(each),
                    Steps = parse.GetValue(steps) ?? 16,
                    Damping = parse.GetValue(damping) ?? 1e-5,
                    BlockSize = parse.GetValue(block),
                    Update = Updates[parse.GetValue(update) ?? "joint"],
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

    private static JsonReport Numbers(PruneReport report)
    {
        var pruning = new Dictionary<string, object?>
        {
            ["sparsity"] = Share(report),
            ["pruned"] = report.Layers.Sum(layer => layer.Pruned),
            ["prunable"] = report.Layers.Sum(layer => layer.Weights),
            ["gradients"] = report.Gradients,
            ["gradient_samples"] = report.GradientSamples,
            ["steps"] = report.Request.Steps,
            ["damping"] = report.Request.Damping,
            ["block_size"] = report.Request.BlockSize,
            ["update"] = report.Request.Update,
            ["predicted_increase"] = report.PredictedIncrease,
        };
        foreach (PruneOutcome outcome in report.Outcomes)
        {
            var members = new Dictionary<string, object?> { ["loss"] = outcome.Data.Loss, ["accuracy"] = outcome.Data.Accuracy };
            if (outcome.Test is { } test)
            {
                (members["test_loss"], members["test_accuracy"]) = (test.Loss, test.Accuracy);
            }

            pruning.Add(outcome.Name, members);
        }

        return new JsonReport(report.Environment)
            .Add("pruning", pruning)
            .Add("layers", report.Layers.Select(layer => new Dictionary<string, object?> { ["name"] = layer.Name, ["weights"] = layer.Weights, ["pruned"] = layer.Pruned }))
            .Add("file", report.Request.Out);
    }

    private static void Print(Terminal terminal, PruneReport report)
    {
        WorkRequest work = report.Request.Work;
        long weights = report.Layers.Sum(layer => layer.Weights);
        terminal.Print($"{Path.GetFileName(work.Model)}: {Format.Percent(Share(report))} of {Format.Count(weights)} weights set to zero");
        terminal.Print(
            $"{work.Loss} on {work.DataName}; {Format.Count(report.Gradients)} gradients of {Format.Count(report.GradientSamples)} samples, {report.Request.Steps} steps");
        terminal.Print();
        bool test = report.Request.Test is not null;
        terminal.Print(
            ["", "loss", "accuracy", .. test ? ["test loss", "test accuracy"] : Array.Empty<string>()],
            report.Outcomes.Select(outcome => (string[])[outcome.Name, .. Cells(outcome.Data), .. outcome.Test is { } held ? Cells(held) : []]));
        terminal.Print();
        terminal.Print(
            ["layer", "weights", "zero", "share"],
            report.Layers.Select(layer => (string[])
                [layer.Name, Format.Count(layer.Weights), Format.Count(layer.Pruned), Format.Percent((double)layer.Pruned / layer.Weights)]));
        ReportText.Findings(terminal, Numbers(report).Findings(report.Findings));
        terminal.Print($"weights: {Path.GetFullPath(report.Request.Out)}");
    }

    private static double Share(PruneReport report) => (double)report.Layers.Sum(layer => layer.Pruned) / report.Layers.Sum(layer => layer.Weights);

    private static string[] Cells(NetworkQuality quality) =>
        [Format.Number(quality.Loss), quality.Accuracy is { } accuracy ? Format.Percent(accuracy) : "-"];
}
