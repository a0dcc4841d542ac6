using System.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary>One <c>curvature measure QUANTITY</c>: its options, what they ask for, and how the result is shown.</summary>
/// <param name="name">The word on the command line.</param>
/// <param name="description">For the help text.</param>
internal abstract class MeasuredQuantity(string name, string description)
{
    /// <summary>The command with the options that all quantities share.</summary>
    public Command Create(Terminal terminal)
    {
        var work = new WorkOptions();
        var json = new Option<bool>("--json") { Description = "print one JSON object" };
        var command = new Command(name, description);
        work.AddTo(command);
        AddOptions(command);
        command.Add(json);
        command.SetAction(parse =>
        {
            WorkRequest request = work.Read(parse);
            SharpnessReport report = Measurement.Run(request, Wanted(parse, request.Seed), terminal);
            if (parse.GetValue(json))
            {
                terminal.Output.Write(AddTo(new JsonReport(report.Environment), report).Write(report.Findings));
            }
            else
            {
                ReportText.Head(terminal, report);
                Print(terminal, report);
                ReportText.Findings(terminal, report);
            }

            return CurvatureCommand.Success;
        });
        return command;
    }

    /// <summary>Adds the options that only this quantity has.</summary>
    protected abstract void AddOptions(Command command);

    /// <summary>What the command line asks for.</summary>
    protected abstract Quantities Wanted(ParseResult parse, int seed);

    /// <summary>Adds the quantity to a JSON object.</summary>
    protected abstract JsonReport AddTo(JsonReport json, SharpnessReport report);

    /// <summary>Prints the quantity for a person.</summary>
    protected abstract void Print(Terminal terminal, SharpnessReport report);
}
