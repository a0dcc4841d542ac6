using System.Text.RegularExpressions;

namespace Curvature.Tests.Cli;

/// <summary>What the clock has to do with in results that are otherwise the same bytes: the seconds, and the finding of a machine that is too busy to multiply fast.</summary>
internal static partial class OfTheClock
{
    public const string Finding = "slow-blas";

    /// <summary>How often a text tells seconds.</summary>
    public static int Count(string text) => Seconds().Count(text);

    /// <summary>JSON, a page, or what the terminal shows: seconds as dots, and without the finding.</summary>
    public static string Masked(string text)
    {
        text = Seconds().Replace(text, "...");
        text = Later().Replace(text, "");
        text = First().Replace(text, "");
        text = Item().Replace(text, "");
        text = text.Replace("<ul class=\"findings\">\n</ul>\n", "<p>Nothing to note.</p>\n", StringComparison.Ordinal);
        return Line().Replace(text, "");
    }

    [GeneratedRegex(@"(?<=""seconds"": )[-+.e\d]+|(?<=<tr><th scope=""row"">seconds</th><td>)[^<]+")]
    private static partial Regex Seconds();

    // Of a list, behind others; before others or alone.
    [GeneratedRegex(@",\n(?<indent> *)\{\n *""id"": ""slow-blas"",.*?\n\k<indent>\}", RegexOptions.Singleline)]
    private static partial Regex Later();

    [GeneratedRegex(@"(?<=\[)\n(?<indent> *)\{\n *""id"": ""slow-blas"",.*?\n\k<indent>\}(,|\n *(?=\]))", RegexOptions.Singleline)]
    private static partial Regex First();

    [GeneratedRegex(@"<li class=""\w+"">\n[^\n]*\n<small>slow-blas\b[^\n]*</li>\n")]
    private static partial Regex Item();

    [GeneratedRegex(@"^\w+ slow-blas: .*\n", RegexOptions.Multiline)]
    private static partial Regex Line();
}
