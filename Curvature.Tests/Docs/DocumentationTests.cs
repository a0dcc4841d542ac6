using System.Globalization;
using System.Text.RegularExpressions;
using Curvature.Cli;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Operators;
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

        string quoted = Code().Match(File.ReadAllText(Repository.File("README.md"))).Groups["body"].Value.TrimEnd();

        Assert.NotEmpty(quoted);
        Assert.Equal(WithoutIndent(region), quoted);
        Assert.InRange(quoted.Split('\n').Count(line => line.Length > 0), 1, 12);
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void The_code_in_the_guide_is_the_named_region_of_a_compiled_sample(string page)
    {
        string text = File.ReadAllText(Repository.File(page));
        foreach (Match quoted in Quotation().Matches(text))
        {
            string sample = File.ReadAllText(Repository.File($"samples/{quoted.Groups["file"].Value}"));
            Match region = Regex.Match(sample, $@"#region {quoted.Groups["region"].Value}\n(?<body>.*?)\n *#endregion", RegexOptions.Singleline);
            Assert.True(region.Success, $"{page} quotes a region that is not there: {quoted.Value}");
            Assert.Equal(WithoutIndent(region.Groups["body"].Value), quoted.Groups["body"].Value.TrimEnd());
        }

        if (page.StartsWith(Path.Combine("docs", "guide"), StringComparison.Ordinal))
        {
            Assert.Equal(Code().Count(text), Quotation().Count(text)); // no code that nothing compiles
        }
    }

    [Fact]
    public void The_measurement_in_the_readme_prints_what_it_shows()
    {
        Match shown = Measurement().Match(File.ReadAllText(Repository.File("README.md")));
        string[] arguments = [.. shown.Groups["command"].Value.Split([' ', '\n', '\\'], StringSplitOptions.RemoveEmptyEntries)
            .Select(word => word.StartsWith("data/", StringComparison.Ordinal) ? Repository.File(word) : word)];
        using StringWriter output = new();

        Assert.Equal(CurvatureCommand.Success, CurvatureCommand.Run(arguments, output, TextWriter.Null));

        // Word for word, but for the last digits of numbers: another processor may sum in another order. Behind the last empty line are findings, which tell of the machine too: of slow matrix products where it is busy.
        string table = output.ToString();
        string[] expected = Words(shown.Groups["output"].Value), actual = Words(table[..table.LastIndexOf("\n\n", StringComparison.Ordinal)]);
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), pair => Assert.True(Alike(pair.First, pair.Second), $"{pair}"));
    }

    [Fact]
    public void Every_command_of_the_guide_to_measuring_works()
    {
        string[] commands = [.. Command().Matches(File.ReadAllText(Repository.File("docs/guide/measuring.md"))).Select(match => match.Groups["command"].Value)];
        Assert.NotEmpty(commands);
        Assert.All(commands, command =>
        {
            string[] arguments = [.. command.Split(' ').Select(word => word.StartsWith("data/", StringComparison.Ordinal) ? Repository.File(word) : word)];
            using StringWriter error = new();
            Assert.True(CurvatureCommand.Run(arguments, TextWriter.Null, error) == CurvatureCommand.Success, $"{command}: {error}");
        });
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

    private static string WithoutIndent(string region)
    {
        int indent = region.TakeWhile(c => c == ' ').Count();
        return string.Join('\n', region.TrimEnd().Split('\n').Select(line => line.Length > indent ? line[indent..] : ""));
    }

    [Fact]
    public void The_page_on_estimators_has_them_all()
    {
        string rows = string.Join('\n', File.ReadLines(Repository.File("docs/guide/estimators.md")).Where(line => line.StartsWith("| `", StringComparison.Ordinal)));
        Assert.All(KnownEstimators.All, estimator => Assert.Contains($"`{estimator.Type.Name}`", rows, StringComparison.Ordinal));
    }

    [Fact]
    public void The_page_on_matrices_has_them_all()
    {
        string page = File.ReadAllText(Repository.File("docs/guide/operators.md"));
        Assert.All(KnownOperators.Names, name => Assert.Contains($"| `{name}` |", page, StringComparison.Ordinal));
        Assert.All(KnownOperators.All.Where(o => o.Name is null), o => Assert.Contains($"`{o.Type.Name}", page, StringComparison.Ordinal));
    }

    [Fact]
    public void The_page_on_solvers_has_them_all()
    {
        string page = File.ReadAllText(Repository.File("docs/guide/krylov.md"));
        IEnumerable<Type> types = [.. KnownSolvers.All.Concat(KnownEigensolvers.All).Select(s => s.Type), .. KnownSolvers.Matrices.Select(o => o.Type)];
        Assert.All(types, type => Assert.Contains($"`{type.Name}", page, StringComparison.Ordinal));
    }

    private static string[] Words(string text) => text.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);

    private static bool Alike(string a, string b) => a == b || (Number(a) is { } x && Number(b) is { } y && Math.Abs(x - y) <= 0.01 * Math.Abs(x));

    private static double? Number(string word) =>
        double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : null;

    [GeneratedRegex(@"```sh\ncurvature (?<command>measure.*?)\n```\n\n```\n(?<output>.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Measurement();

    [GeneratedRegex(@"^curvature (?<command>measure .*)$", RegexOptions.Multiline)]
    private static partial Regex Command();

    [GeneratedRegex(@"#region readme\n(?<body>.*?)\n *#endregion", RegexOptions.Singleline)]
    private static partial Regex Region();

    [GeneratedRegex(@"```csharp\n(?<body>.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Code();

    [GeneratedRegex(@"<!-- samples/(?<file>\w+\.cs): (?<region>[\w-]+) -->\n```csharp\n(?<body>.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Quotation();

    [GeneratedRegex(@"\]\((?<target>[^)#\s]+)")]
    private static partial Regex Link();
}
