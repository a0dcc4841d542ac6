using System.Text.RegularExpressions;
using Xunit;

namespace Curvature.Tests.Core;

/// <summary>Curvature.Core is built in floors, one a folder: each uses those below it only.</summary>
public sealed partial class FloorsTests
{
    /// <summary>From the ground up.</summary>
    private static readonly string[] Floors =
    [
        "Tensors", "Data", "Checkpoints", "Objectives", "Tangents", "Operators", "Krylov", "Layers", "Estimators", "Kronecker", "MatrixFree", "Pruning", "Optimizers", "Implicit", "Sharpness",
    ];

    public static TheoryData<string> Folders => [.. Directory.GetDirectories(Repository.File("Curvature.Core")).Select(folder => Path.GetFileName(folder)).Where(name => name is not ("bin" or "obj"))];

    [Theory]
    [MemberData(nameof(Folders))]
    public void A_floor_uses_those_below_it_only(string folder)
    {
        int floor = Array.IndexOf(Floors, folder);
        Assert.True(floor >= 0, $"{folder} is new: give it its place among the floors.");
        foreach (string file in Directory.GetFiles(Repository.File("Curvature.Core/" + folder), "*.cs", SearchOption.AllDirectories))
        {
            string[] used = [.. Named().Matches(File.ReadAllText(file)).Select(match => match.Groups["floor"].Value)];
            Assert.All(used, name => Assert.True(Array.IndexOf(Floors, name) <= floor, $"{Path.GetFileName(file)} of {folder} uses {name}."));
        }
    }

    [GeneratedRegex(@"^using Curvature\.(?<floor>\w+)", RegexOptions.Multiline)]
    private static partial Regex Named();
}
