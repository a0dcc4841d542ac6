using System.CommandLine;
using System.CommandLine.Parsing;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Sharpness;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary>One <c>curvature measure QUANTITY</c>: its options, what they ask for, and how the result is shown.</summary>
/// <param name="name">The word on the command line.</param>
/// <param name="description">For the help text.</param>
internal abstract class MeasuredQuantity(string name, string description)
{
    /// <summary>Its name in a JSON object.</summary>
    protected abstract string Member { get; }

    /// <summary>Whether there are vectors over the parameters to write.</summary>
    protected virtual bool HasVectors => false;

    /// <summary>Whether a layer's diagonal block has it too.</summary>
    protected virtual bool HasLayers => true;

    /// <summary>The command with the options that all quantities share.</summary>
    public Command Create(Terminal terminal)
    {
        var work = new WorkOptions();
        var perLayer = new Option<bool>("--per-layer") { Description = "also of each layer's diagonal block" };
        Option<string?> file = Choices.FileName("--out", "write the vectors to this file", VectorFile.Endings);
        var json = new Option<bool>("--json") { Description = "print one JSON object" };
        var command = new Command(name, description);
        work.AddTo(command);
        AddOptions(command);
        if (HasLayers)
        {
            command.Add(perLayer);
        }

        if (HasVectors)
        {
            command.Add(file);
        }

        command.Add(json);
        command.Validators.Add(work.Validate);
        command.Validators.Add(Validate);
        command.SetAction(parse =>
        {
            WorkRequest request = work.Read(parse);
            Quantities wanted = Wanted(parse, request.Seed) with
            {
                PerLayer = HasLayers && parse.GetValue(perLayer),
                VectorFile = HasVectors ? parse.GetValue(file) : null,
            };
            if (request.EstimateFor is not null)
            {
                JobEstimate estimate = Measurement.Estimate(request, wanted, terminal);
                if (parse.GetValue(json))
                {
                    terminal.Output.Write(estimate.Json());
                }
                else
                {
                    estimate.Print(terminal);
                }

                return CurvatureCommand.Success;
            }

            SharpnessReport report = Measurement.Run(request, wanted, terminal);
            if (parse.GetValue(json))
            {
                terminal.Output.Write(Numbers(report, wanted.VectorFile).Write(report.Findings));
            }
            else
            {
                Print(terminal, report, wanted.VectorFile);
            }

            return CurvatureCommand.Success;
        });
        return command;
    }

    /// <summary>Adds the options that only this quantity has.</summary>
    protected abstract void AddOptions(Command command);

    /// <summary>Adds an error where options of this quantity do not go together.</summary>
    protected virtual void Validate(CommandResult result)
    {
    }

    /// <summary>What the command line asks for.</summary>
    protected abstract Quantities Wanted(ParseResult parse, int seed);

    /// <summary>The quantity for a JSON object.</summary>
    protected abstract object? Value(SharpnessSummary summary);

    /// <summary>The members <c>layers</c> of a JSON object; null for none.</summary>
    protected virtual object? Layers(SharpnessSummary summary) => summary.Layers.Count == 0 ? null : summary.Layers.Select(layer =>
        new Dictionary<string, object?> { ["name"] = layer.Name, ["parameters"] = layer.Summary.Parameters, [Member] = Value(layer.Summary) });

    /// <summary>Further members of a JSON object, behind the quantity.</summary>
    protected virtual IEnumerable<(string Name, object? Value)> Others(SharpnessSummary summary) => [];

    /// <summary>Prints the quantity for a person.</summary>
    protected abstract void Print(Terminal terminal, SharpnessSummary summary);

    /// <summary>Prints the same quantity of the layers.</summary>
    protected virtual void PrintLayers(Terminal terminal, SharpnessSummary summary)
    {
        foreach (LayerSummary layer in summary.Layers)
        {
            terminal.Print();
            terminal.Print($"layer {layer.Name}, {Format.Count(layer.Summary.Parameters, "parameter")}");
            Print(terminal, layer.Summary);
        }
    }

    private JsonReport Numbers(SharpnessReport report, string? file)
    {
        JsonReport json = new JsonReport(report.Environment).Add(Member, Value(report.Summary));
        foreach ((string name, object? value) in Others(report.Summary))
        {
            json.Add(name, value);
        }

        json = Layers(report.Summary) is { } layers ? json.Add("layers", layers) : json;
        return file is null ? json : json.Add("vectors", file);
    }

    private void Print(Terminal terminal, SharpnessReport report, string? file)
    {
        ReportText.Head(terminal, report);
        Print(terminal, report.Summary);
        PrintLayers(terminal, report.Summary);
        ReportText.Findings(terminal, Numbers(report, file).Findings(report.Findings));
        if (file is not null)
        {
            terminal.Print($"vectors: {Path.GetFullPath(file)}");
        }
    }
}
