using System.Runtime.CompilerServices;
using TorchSharp;
using Xunit;

namespace Curvature.Tests.Compat;

/// <summary>Every public member of a stand-in is one of the package that it stands in for: same names, parameters, defaults and types.</summary>
[Trait("Engine", "StandIn")]
public sealed class SignatureTests
{
    [ReferenceFact]
    public void The_TorchSharp_in_use_has_no_member_that_TorchSharp_lacks() => AssertSubset(typeof(torch), "torchsharp-0.105.2.txt");

    [ReferenceFact]
    public void The_OxyPlot_in_use_has_no_member_that_OxyPlot_lacks() => AssertSubset(typeof(OxyPlot.PlotModel), "oxyplot-core-2.2.0.txt");

    private static void AssertSubset(Type one, string file)
    {
        var reference = new ReferenceApi(file);
        var differences = new List<string>();
        foreach (var type in one.Assembly.GetExportedTypes().Where(type => !type.IsDefined(typeof(CompilerGeneratedAttribute), false)))
        {
            var name = Signature.Of(type);
            if (!reference.HasType(name))
            {
                differences.Add($"type {name}");
                continue;
            }
            foreach (var member in Signature.Members(type).Where(member => !reference.Has(name, member)))
            {
                differences.Add(string.Join("\n      there: ", [$"{name}\n       here: {member}", .. reference.Similar(name, member)]));
            }
        }
        Assert.True(differences.Count == 0, $"{differences.Count} differences from {file}:\n" + string.Join('\n', differences));
    }
}
