using System.Text.RegularExpressions;
using Curvature.Estimators;
using Curvature.Krylov;
using Curvature.Operators;
using Xunit;

namespace Curvature.Tests.Docs;

/// <summary>What a catalogue lists can be seen at work: by its type's name in a sample's code, or because a sample goes through the catalogue.</summary>
public sealed class CatalogueSamplesTests
{
    /// <summary>Without comments.</summary>
    private static readonly string Samples = Regex.Replace(string.Concat(Directory.EnumerateFiles(Repository.File("samples"), "*.cs").Select(File.ReadAllText)), @"(?<!:)//.*", "");

    public static TheoryData<string, string[]> Catalogues => new()
    {
        { "KnownOperators", [.. KnownOperators.All.Select(o => o.Type.Name)] },
        { "KnownSolvers", [.. KnownSolvers.All.Select(s => s.Type.Name), .. KnownSolvers.Matrices.Select(o => o.Type.Name)] },
        { "KnownEigensolvers", [.. KnownEigensolvers.All.Select(s => s.Type.Name)] },
        { "KnownTraceEstimators", [.. KnownTraceEstimators.All.Select(e => e.Type.Name)] },
        { "KnownDiagonalEstimators", [.. KnownDiagonalEstimators.All.Select(e => e.Type.Name)] },
        { "KnownEstimators", [.. KnownEstimators.All.Except(KnownTraceEstimators.All).Except(KnownDiagonalEstimators.All).Select(e => e.Type.Name)] },
    };

    [Theory]
    [MemberData(nameof(Catalogues))]
    public void Each_of_a_catalogue_stands_in_a_sample(string catalogue, string[] types)
    {
        if (!Regex.IsMatch(Samples, $@"in {catalogue}\.(Names|All)\)"))
        {
            Assert.All(types, type => Assert.True(Regex.IsMatch(Samples, $@"\b{type}\b"), $"No sample has {type}."));
        }
    }
}
