using Curvature.Viz.Figures;
using Xunit;

namespace Curvature.Tests.Viz.Figures;

public class ExactPairingTests
{
    private static readonly double[] Exact = [-4, -1, 0, 0.5, 2, 7, 7, 9];

    [Theory]
    [InlineData(new[] { 9.1, 7.0, 6.9 }, new[] { 9.0, 7, 7 })]
    [InlineData(new[] { -4.0, -0.9 }, new[] { -4.0, -1 })]
    [InlineData(new[] { 9.0, 7, 7, -4.1 }, new[] { 9.0, 7, 7, -4 })]
    [InlineData(new[] { -3.9, 9.0 }, new[] { -4.0, 9 })]
    public void Counts_from_both_ends_inwards(double[] found, double[] partners) => Assert.Equal(partners, ExactPairing.Of(found, Exact));

    [Fact]
    public void Shows_a_missed_multiplicity() => Assert.Equal([9.0, 7, 7], ExactPairing.Of([9, 7, 2], Exact));

    [Fact]
    public void Pairs_what_is_not_finite_with_nothing() => Assert.Equal([double.NaN, 9.0], ExactPairing.Of([double.NaN, 9], Exact));

    [Fact]
    public void Leaves_more_eigenvalues_than_there_are_without_a_partner() =>
        Assert.Equal([3, 2, double.NaN], ExactPairing.Of([3, 2, 1], [2, 3]));
}
