using Curvature.Estimators;
using Xunit;

namespace Curvature.Tests.Core.Estimators;

public sealed class KnownEstimatorsTests
{
    [Fact]
    public void The_catalogue_lists_every_type_that_estimates()
    {
        IEnumerable<Type> types = typeof(KnownEstimators).Assembly.GetExportedTypes()
            .Where(t => t.Namespace == typeof(KnownEstimators).Namespace && !t.IsInterface && t.GetMethods().Any(m => m.Name == "Estimate"));
        Assert.Equal(types.Select(t => t.Name).Order(), KnownEstimators.All.Select(e => e.Type.Name).Order());
    }

    [Fact]
    public void Every_trace_and_diagonal_estimator_is_in_its_catalogue_or_needs_more_than_options()
    {
        Assert.Equal(
            Implementing(typeof(ITraceEstimator)).Except([nameof(ControlVariateTrace)]).Order(), KnownTraceEstimators.All.Select(e => e.Type.Name).Order());
        Assert.Equal(Implementing(typeof(IDiagonalEstimator)), KnownDiagonalEstimators.All.Select(e => e.Type.Name).Order());
    }

    [Fact]
    public void The_documentation_shows_the_catalogue() => Approved.Matches(
        "# Estimators\n\nGenerated from the catalogue `KnownEstimators`. The guide: [estimators](../guide/estimators.md).\n\n" + KnownEstimators.ToMarkdown(),
        "docs/tables/estimators.md");

    private static IEnumerable<string> Implementing(Type contract) =>
        contract.Assembly.GetExportedTypes().Where(t => !t.IsInterface && contract.IsAssignableFrom(t)).Select(t => t.Name).Order();
}
