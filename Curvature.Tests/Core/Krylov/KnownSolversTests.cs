using Curvature.Krylov;
using Xunit;

namespace Curvature.Tests.Core.Krylov;

public sealed class KnownSolversTests
{
    [Fact]
    public void The_catalogues_list_every_solver()
    {
        Assert.Equal(Implementing(typeof(ILinearSolver)), KnownSolvers.All.Select(s => s.Type.Name).Order());
        Assert.Equal(Implementing(typeof(IEigensolver)), KnownEigensolvers.All.Select(s => s.Type.Name).Order());
        Assert.All(KnownSolvers.All, s => Assert.IsType(s.Type, KnownSolvers.Create(s.Name)));
        Assert.All(KnownEigensolvers.All, s => Assert.IsType(s.Type, KnownEigensolvers.Create(s.Name, new EigensolverOptions { Which = Spectrum.Magnitude })));
    }

    [Fact]
    public void The_documentation_shows_the_catalogues() => Approved.Matches(
        "# Solvers\n\nGenerated from the catalogues `KnownSolvers` and `KnownEigensolvers`. The guide: [linear systems and eigenpairs](../guide/krylov.md).\n\n"
        + KnownSolvers.ToMarkdown() + "\n" + KnownEigensolvers.ToMarkdown(),
        "docs/tables/solvers.md");

    private static IEnumerable<string> Implementing(Type contract) =>
        contract.Assembly.GetExportedTypes().Where(t => t is { IsInterface: false, IsAbstract: false } && contract.IsAssignableFrom(t)).Select(t => t.Name).Order();
}
