using Curvature.Viz.Figures;
using Xunit;

namespace Curvature.Tests.Viz.Figures;

public class PrintableNameTests
{
    [Theory]
    [InlineData("conv1.weight", "conv1.weight")]
    [InlineData("a\0b\nc\uFFFE", "a\uFFFDb\uFFFDc\uFFFD")]
    [InlineData("💡", "💡")]
    [InlineData("", "")]
    public void Replaces_what_cannot_be_printed(string name, string expected) => Assert.Equal(expected, PrintableName.Of(name));

    [Fact]
    public void Replaces_half_a_surrogate_pair() => Assert.Equal("a\uFFFDb", PrintableName.Of("a\uD83Db"));

    [Fact]
    public void Never_cuts_a_letter_in_two()
    {
        string name = string.Concat(Enumerable.Repeat("💡", 50));
        for (int length = 4; length < 60; length++)
        {
            string cut = PrintableName.Of(name, length);
            Assert.InRange(cut.Length, 1, length);
            Assert.Equal(cut, PrintableName.Of(cut));
        }
    }
}
