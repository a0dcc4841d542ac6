using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using System.Globalization;
using Curvature.Cli.CommandLine;
using Curvature.Cli.Output;
using Curvature.Cli.Work;

namespace Curvature.Cli;

/// <summary>The <c>curvature</c> command, callable in process.</summary>
public static class CurvatureCommand
{
    /// <summary>Everything asked for was done; also when an estimate did not converge, which a finding then says.</summary>
    public const int Success = 0;

    /// <summary>The command line was understood and the work failed.</summary>
    public const int Failed = 1;

    /// <summary>The command line itself is wrong.</summary>
    public const int Usage = 2;

    /// <summary>Stopped by Ctrl-C or by the caller's token.</summary>
    public const int Cancelled = 130;

    /// <summary>Runs one command line to its end.</summary>
    /// <param name="args">The words after <c>curvature</c>.</param>
    /// <param name="output">Receives results only.</param>
    /// <param name="error">Receives progress, messages and errors.</param>
    /// <param name="cancellation">Stops the work between two batches; nothing half-written is left.</param>
    /// <returns>The exit code: 0 done, 1 work failed, 2 usage, 130 cancelled.</returns>
    public static int Run(string[] args, TextWriter output, TextWriter error, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(args);
        CultureInfo culture = CultureInfo.CurrentCulture;
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture; // numbers read and print alike under every locale
        try
        {
            return Invoke(args, new Terminal(output, error, cancellation));
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    private static int Invoke(string[] args, Terminal terminal)
    {
        ParseResult parse = Root(terminal).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parse.Action is not HelpAction && WrongWords.Of(parse) is [_, ..] wrong)
        {
            terminal.Fail($"{string.Join(" ", wrong)} See '{WrongWords.Path(parse.CommandResult)} --help'.");
            return Usage;
        }

        try
        {
            Team.IsTogether = Team.Count > 1 && IsShared(parse);
            if (Team.Count > 1 && !Team.IsTogether)
            {
                if (!Team.Leads)
                {
                    return Success;
                }

                if (parse.Action is not HelpAction)
                {
                    terminal.Say($"'{WrongWords.Path(parse.CommandResult)}{(WorkOptions.IsEstimate(parse) ? " --estimate" : "")}' is the work of one process: rank 0 does it, and the other {Format.Count(Team.Count - 1, "rank")} end.");
                }
            }

            return parse.Invoke(new InvocationConfiguration
            {
                Output = terminal.Output,
                Error = terminal.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
        }
        catch (OperationCanceledException exception)
        {
            Team.Yield();
            if (!Interruption.IsAnswered)
            {
                terminal.Fail(exception);
            }

            return Cancelled;
        }
        catch (Exception exception) // the outermost frame: whatever went wrong becomes one message
        {
            terminal.Fail(exception);
            return Failed;
        }
    }

    /// <summary>Whether several ranks do a command together: what goes over the data.</summary>
    private static bool IsShared(ParseResult parse) => parse.Action is not HelpAction && !WorkOptions.IsEstimate(parse)
        && (parse.CommandResult.Command.Name is "report" or "quantize" || (parse.CommandResult.Command.Name == "prune" && !PruneCommand.IsOfBlocks(parse)) || (parse.CommandResult.Command.Name == "plan" && !PlanCommand.IsOfTable(parse)) || parse.CommandResult.Parent is CommandResult { Command.Name: "measure" });

    private static RootCommand Root(Terminal terminal) =>
        new("Curvature of neural networks: sharpness reports and measurements of a checkpoint, with error bars; pruning; bit-width plans and quantization.")
        {
            DemoCommand.Create(terminal),
            ReportCommand.Create(terminal),
            MeasureCommand.Create(terminal),
            PruneCommand.Create(terminal),
            PlanCommand.Create(terminal),
            QuantizeCommand.Create(terminal),
            InspectCommand.Create(terminal),
        };
}
