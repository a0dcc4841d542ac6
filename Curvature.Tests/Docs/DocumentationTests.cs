using System.Globalization;
using System.Text.RegularExpressions;
using Curvature.Cli;
using Xunit;

namespace Curvature.Tests.Docs;

public sealed partial class DocumentationTests
{
    public static TheoryData<string> Pages => [.. Directory.EnumerateFiles(Repository.File("docs"), "*.md", SearchOption.AllDirectories)
        .Append(Repository.File("README.md"))
        .Append(Repository.File("CHANGELOG.md"))
        .Select(page => Path.GetRelativePath(Repository.File("."), page))
        .Order()];

    [Fact]
    public void The_code_in_the_readme_is_the_compiled_sample()
    {
        string sample = File.ReadAllText(Repository.File("samples/HessianVectorProduct.cs"));
        string region = Region().Match(sample).Groups["body"].Value;
        int indent = region.TakeWhile(c => c == ' ').Count();
        IEnumerable<string> lines = region.TrimEnd().Split('\n').Select(line => line.Length > indent ? line[indent..] : "");

        string quoted = Code().Match(File.ReadAllText(Repository.File("README.md"))).Groups["body"].Value.TrimEnd();

        Assert.NotEmpty(quoted);
        Assert.Equal(string.Join('\n', lines), quoted);
        Assert.InRange(lines.Count(line => line.Length > 0), 1, 12);
    }

    [Fact]
    public void The_measurement_in_the_readme_prints_what_it_shows()
    {
        Match shown = Measurement().Match(File.ReadAllText(Repository.File("README.md")));
        string[] arguments = [.. shown.Groups["command"].Value.Split([' ', '\n', '\\'], StringSplitOptions.RemoveEmptyEntries)
            .Select(word => word.StartsWith("data/", StringComparison.Ordinal) ? Repository.File(word) : word)];
        using StringWriter output = new();

        Assert.Equal(CurvatureCommand.Success, CurvatureCommand.Run(arguments, output, TextWriter.Null));

        // Word for word, but for the last digits of numbers: another processor may sum in another order.
        string[] expected = Words(shown.Groups["output"].Value), actual = Words(output.ToString());
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => Assert.True(Alike(pair.First, pair.Second), $"{pair}"));
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Links_lead_somewhere(string page)
    {
        string folder = Path.GetDirectoryName(Repository.File(page))!;
        string[] targets = [.. Link().Matches(File.ReadAllText(Repository.File(page))).Select(link => link.Groups["target"].Value)];

        Assert.All(
            targets.Where(target => !target.StartsWith("http", StringComparison.Ordinal)),
            target => Assert.True(Path.Exists(Path.Combine(folder, target)), $"{page} links to {target}, which is not there."));
    }

    private static string[] Words(string text) => text.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);

    private static bool Alike(string a, string b) => a == b || (Number(a) is { } x && Number(b) is { } y && Math.Abs(x - y) <= 0.01 * Math.Abs(x));

    private static double? Number(string word) =>
        double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : null;

    [GeneratedRegex(@"```sh\ncurvature (?<command>measure.*?)\n```\n\n```\n(?<output>.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Measurement();

    [GeneratedRegex(@"#region readme\n(?<body>.*?)\n *#endregion", RegexOptions.Singleline)]
    private static partial Regex Region();

    [GeneratedRegex(@"```csharp\n(?<body>.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Code();

    [GeneratedRegex(@"\]\((?<target>[^)#\s]+)")]
    private static partial Regex Link();
}
