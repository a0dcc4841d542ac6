using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.RegularExpressions;
using Curvature.Cli.Work;

namespace Curvature.Cli.CommandLine;

/// <summary>Options with values of one kind: each error says which option, what came and what was expected, in one line.</summary>
internal static class Choices
{
    private delegate bool Reader<T>(string text, out T value);

    /// <summary>A whole number of at least 1, or within other bounds.</summary>
    public static Option<int?> Count(string name, string description, int most = int.MaxValue, int least = 1) => Make<int?>(
        name,
        "N",
        description,
        most == int.MaxValue ? $"a whole number of at least {least}" : $"a whole number from {least} to {most}",
        (string text, out int? value) =>
        {
            value = int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out int number) ? number : null;
            return value >= least && value <= most;
        });

    /// <summary>A whole number of at least 1, which may be left out.</summary>
    public static Option<int?> OptionalCount(string name, string helpName, string description)
    {
        Option<int?> option = Count(name, description);
        option.HelpName = helpName;
        option.Arity = ArgumentArity.ZeroOrOne;
        return option;
    }

    /// <summary><c>--probes</c> of a quantity that as many probes as parameters give exactly.</summary>
    public static Option<int?> Probes(string quantity) =>
        Count("--probes", $"products to spend [{ProbeWork.Usual}]; as many as there are parameters give the exact {quantity}");

    /// <summary><c>--tolerance</c> of an estimate that stops early.</summary>
    public static Option<double?> Tolerance(string enough, int? most = null) => Real(
        "--tolerance",
        "T",
        $"stop when {enough}{(most is { } products ? $"; then up to {products} products" : "")}",
        "a number above 0",
        tolerance => tolerance > 0);

    /// <summary>Any whole number of 32 bits.</summary>
    public static Option<int?> Integer(string name, string description) => Make<int?>(
        name,
        "N",
        description,
        "a whole number of 32 bits",
        (string text, out int? value) =>
        {
            value = int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out int number) ? number : null;
            return value is not null;
        });

    /// <summary>A finite number for which <paramref name="accepts"/> holds.</summary>
    public static Option<double?> Real(string name, string helpName, string description, string expected, Func<double, bool> accepts) => Make<double?>(
        name,
        helpName,
        description,
        expected,
        (string text, out double? value) =>
        {
            value = Number(text);
            return value is double number && accepts(number);
        });

    /// <summary>A percentage above 0 and up to 100, with or without its sign.</summary>
    public static Option<double?> Percent(string name, string description) => Make<double?>(
        name,
        "PERCENT",
        description,
        "a percentage above 0 and up to 100, such as 99%",
        (string text, out double? value) =>
        {
            value = Number(text.EndsWith('%') ? text[..^1] : text);
            return value is > 0 and <= 100;
        });

    /// <summary>Finite numbers of at least 0 separated by commas.</summary>
    public static Option<double[]?> Reals(string name, string description) => Make<double[]?>(
        name,
        "W,W,...",
        description,
        "numbers of at least 0, separated by commas",
        (string text, out double[]? value) =>
        {
            double?[] numbers = [.. text.Split(',').Select(Number)];
            value = [.. numbers.OfType<double>().Where(number => number >= 0)];
            return value.Length == numbers.Length;
        });

    /// <summary>Whole numbers of at least 1, separated by commas.</summary>
    public static Option<int[]?> Counts(string name, string description) => Make<int[]?>(
        name,
        "N,N,...",
        description,
        "whole numbers of at least 1, separated by commas",
        (string text, out int[]? value) =>
        {
            string[] words = text.Split(',');
            value = [.. words.Select(word => int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0).Where(number => number > 0)];
            return value.Length == words.Length;
        });

    /// <summary>One of several words.</summary>
    public static Option<string?> Word(string name, string description, params IReadOnlyCollection<string> words) => Make<string?>(
        name,
        string.Join('|', words),
        description,
        words.Count == 1 ? $"{words.First()}, the only one in this version" : $"one of {string.Join(", ", words)}",
        (string text, out string? value) =>
        {
            value = text;
            return words.Contains(text);
        });

    /// <summary>A word that fits a pattern.</summary>
    public static Option<string?> Word(string name, string helpName, string description, string expected, Regex pattern) => Make<string?>(
        name,
        helpName,
        description,
        expected,
        (string text, out string? value) =>
        {
            value = text;
            return pattern.IsMatch(text);
        });

    /// <summary>A file name with one of several endings.</summary>
    public static Option<string?> FileName(string name, string description, IReadOnlyList<string> endings) => Make<string?>(
        name,
        $"FILE{string.Join('|', endings)}",
        description,
        $"a file name that ends in {string.Join(" or ", endings)}",
        (string text, out string? value) =>
        {
            value = text;
            return endings.Any(ending => text.EndsWith(ending, StringComparison.Ordinal));
        });

    /// <summary>Free text; what it means is decided where it is used.</summary>
    public static Option<string?> Text(string name, string helpName, string description) => new(name) { HelpName = helpName, Description = description };

    /// <summary>What was written after an option, nothing after a flag; null where it was not written.</summary>
    public static string? Given(CommandResult result, Option option) => result.GetResult(option) is not { Implicit: false } given ? null : given.Tokens is [var word, ..] ? word.Value : "";

    private static double? Number(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number) ? number : null;

    private static Option<T?> Make<T>(string name, string helpName, string description, string expected, Reader<T?> read) => new(name)
    {
        Arity = ArgumentArity.ExactlyOne, // a list is one word too
        HelpName = helpName,
        Description = description,
        CustomParser = result => Parse(result, name, expected, read),
    };

    private static T? Parse<T>(ArgumentResult result, string name, string expected, Reader<T?> read)
    {
        if (result.Tokens.Count == 0)
        {
            return default; // of an option whose value may be left out
        }

        string text = result.Tokens[0].Value;
        if (read(text, out T? value))
        {
            return value;
        }

        result.AddError($"{name} {text}: expected {expected}.");
        return default;
    }
}
