using System.CommandLine;
using System.CommandLine.Parsing;

namespace Curvature.Cli.CommandLine;

/// <summary>What is wrong with a command line, told by the word that is wrong: what follows it is not understood either, which needs no saying.</summary>
internal static class WrongWords
{
    /// <summary>Messages; none where all is understood.</summary>
    public static IReadOnlyList<string> Of(ParseResult parse)
    {
        Command command = parse.CommandResult.Command;
        string[] commands = [.. command.Subcommands.Select(sub => sub.Name)], options = [.. command.Options.Select(option => option.Name)];
        string[] all = [.. parse.Errors.Select(error => error.Message).Distinct()];
        string[] others = [.. all.Where(message => !message.StartsWith("Required command", StringComparison.Ordinal) && !message.StartsWith("Unrecognized", StringComparison.Ordinal))];
        string[] ahead = [.. parse.UnmatchedTokens.Select(NameOf).Where(options.Contains).Distinct()];
        bool isPlain = parse.Tokens.All(token => token.Type != TokenType.DoubleDash); // behind it a word may look like anything
        if (isPlain && Swallowed(parse) is { } word)
        {
            return [.. others, $"'{word}' is no option of {NameOf(parse.CommandResult)}{Meant(word, options)} A file of that name is ./{word}."];
        }

        if (isPlain && ahead.Length > 0)
        {
            return [.. others.Where(message => !ahead.Any(name => message.Contains($"'{name}'", StringComparison.Ordinal))), $"Options belong behind the command: {Path(parse.CommandResult)} ... {string.Join(" ... ", ahead)}."];
        }

        string[] strangers = parse.UnmatchedTokens is [var stranger, ..] ? [$"Unrecognized command or argument '{stranger}'{Meant(stranger, commands.Length > 0 ? commands : options)}"] : [];
        return [.. others.Length + strangers.Length > 0 ? [.. others, .. strangers] : all, .. all.Length > 0 && commands.Length > 0 ? [$"Commands: {string.Join(", ", commands)}."] : Array.Empty<string>()];
    }

    /// <summary>A command with all above it, as it is typed.</summary>
    public static string Path(CommandResult command) =>
        command.Parent is CommandResult parent ? $"{Path(parent)} {command.Command.Name}" : "curvature";

    /// <summary>A word that was meant as an option, and became an argument, as it is none.</summary>
    private static string? Swallowed(ParseResult parse) => parse.CommandResult.Children.OfType<ArgumentResult>()
        .SelectMany(argument => argument.Tokens)
        .Select(token => token.Value)
        .FirstOrDefault(word => word.Length > 1 && word.StartsWith('-'));

    private static string NameOf(CommandResult command) => Path(command)["curvature ".Length..];

    private static string NameOf(string word) => word.Split('=')[0];

    private static string Meant(string word, IEnumerable<string> words) => Spelling.Nearest(NameOf(word), words) is { } meant ? $": did you mean {meant}?" : ".";
}
