using Curvature.Cli.Work;
using Curvature.Distributed;
using Curvature.Objectives;
using Curvature.Operators;
using Spectre.Console;

namespace Curvature.Cli.Output;

/// <summary>
/// Where the command writes: results to <see cref="Output"/>, everything else to <see cref="Error"/>. A person at a terminal gets frames and
/// a bar; a file or a pipe gets plain lines. Of several ranks only the first one writes, but for an error of another one alone.
/// </summary>
internal sealed class Terminal(TextWriter output, TextWriter error, CancellationToken cancellation)
{
    // A redirected table is as wide as its content: a file has no edge.
    private const int Unbounded = 400;

    // How ranks that share an error begin its message on those that have it from another.
    private const string OfAnother = "On rank ";

    public TextWriter Output => Team.Leads ? output : TextWriter.Null;

    public TextWriter Error => Team.Leads ? error : TextWriter.Null;

    public CancellationToken Cancellation => cancellation;

    private bool PersonReads => !Launcher.IsAtWork && ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected;

    private bool PersonWatches => !Launcher.IsAtWork && ReferenceEquals(error, Console.Error) && !Console.IsErrorRedirected;

    /// <summary>One line of result.</summary>
    public void Print(string line = "") => Output.WriteLine(line);

    /// <summary>One line about what goes on.</summary>
    public void Say(string line) => Error.WriteLine(line);

    /// <summary>The one line that ends a failed command. Of an error that all ranks have, the first one tells.</summary>
    public void Fail(Exception exception)
    {
        string message = Failure.Describe(exception);
        if (Team.Count > 1 && exception.IsSharedByRanks())
        {
            if (!Team.Leads)
            {
                Team.Await();
                return;
            }

            message = message.StartsWith(OfAnother, StringComparison.Ordinal) ? $"rank {message[OfAnother.Length..]}" : message;
        }

        Fail(message);
    }

    /// <summary>The same in words.</summary>
    public void Fail(string message)
    {
        if (Team.Prefix is { } prefix)
        {
            error.WriteLine(prefix + message);
        }
    }

    /// <summary>A table of results: the first column holds names, the others numbers aligned to the right.</summary>
    public void Print(IEnumerable<string> columns, IEnumerable<string[]> rows)
    {
        var table = new Table { Border = PersonReads ? TableBorder.Rounded : TableBorder.None };
        foreach (string column in columns)
        {
            table.AddColumn(new TableColumn(column.EscapeMarkup()) { Alignment = table.Columns.Count == 0 ? Justify.Left : Justify.Right, NoWrap = true });
        }

        foreach (string[] row in rows)
        {
            table.AddRow([.. row.Select(cell => cell.EscapeMarkup())]);
        }

        Canvas(Output, PersonReads).Write(table);
    }

    /// <summary>Runs <paramref name="work"/> and shows how many of its products are done.</summary>
    public T Track<T>(Func<IProgress<ProductProgress>, T> work) => PersonWatches
        ? Canvas(error, framed: true).Progress().AutoClear(true).Columns(BarProgress.Columns).Start(context => work(new BarProgress(context)))
        : work(new PlainProgress(Say));

    private static IAnsiConsole Canvas(TextWriter writer, bool framed)
    {
        IAnsiConsole canvas = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = framed ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = framed ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
        });
        canvas.Profile.Width = framed ? canvas.Profile.Width : Unbounded;
        return canvas;
    }
}
