using System.Text.RegularExpressions;
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

    [GeneratedRegex(@"#region readme\n(?<body>.*?)\n *#endregion", RegexOptions.Singleline)]
    private static partial Regex Region();

    [GeneratedRegex(@"```csharp\n(?<body>.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Code();

    [GeneratedRegex(@"\]\((?<target>[^)#\s]+)")]
    private static partial Regex Link();
}
