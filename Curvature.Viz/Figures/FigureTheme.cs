using OxyPlot;

namespace Curvature.Viz.Figures;

/// <summary>
/// The house palette. Roles rather than colours: what is measured is blue, what is exact is orange, in hues of Okabe and Ito (2008, Color
/// universal design) that people with the common colour-vision deficiencies tell apart; shapes differ too, so that grey prints stay
/// readable.
/// </summary>
public sealed record FigureTheme
{
    /// <summary>For paper and light pages.</summary>
    public static FigureTheme Paper { get; } = new()
    {
        Background = OxyColors.White,
        Ink = OxyColor.FromRgb(0x1F, 0x23, 0x28),
        Axis = OxyColor.FromRgb(0x6E, 0x77, 0x81),
        Grid = OxyColor.FromRgb(0xE3, 0xE6, 0xEA),
        Measured = OxyColor.FromRgb(0x00, 0x72, 0xB2),
        Exact = OxyColor.FromRgb(0xD5, 0x5E, 0x00),
    };

    /// <summary>For dark pages.</summary>
    public static FigureTheme Dark { get; } = new()
    {
        Background = OxyColor.FromRgb(0x16, 0x1B, 0x22),
        Ink = OxyColor.FromRgb(0xE6, 0xED, 0xF3),
        Axis = OxyColor.FromRgb(0x8B, 0x94, 0x9E),
        Grid = OxyColor.FromRgb(0x2D, 0x33, 0x3B),
        Measured = OxyColor.FromRgb(0x56, 0xB4, 0xE9),
        Exact = OxyColor.FromRgb(0xE6, 0x9F, 0x00),
    };

    /// <summary>What is behind everything.</summary>
    public required OxyColor Background { get; init; }

    /// <summary>Text, and marks that must be seen.</summary>
    public required OxyColor Ink { get; init; }

    /// <summary>Axis lines and ticks.</summary>
    public required OxyColor Axis { get; init; }

    /// <summary>Gridlines.</summary>
    public required OxyColor Grid { get; init; }

    /// <summary>Numbers that were estimated.</summary>
    public required OxyColor Measured { get; init; }

    /// <summary>Numbers that are known exactly.</summary>
    public required OxyColor Exact { get; init; }

    /// <summary>A height's colour, from <see cref="Measured"/> at 0 to <see cref="Exact"/> at 1.</summary>
    internal OxyColor Between(double share)
    {
        return OxyColor.FromRgb(Mix(Measured.R, Exact.R), Mix(Measured.G, Exact.G), Mix(Measured.B, Exact.B));

        byte Mix(byte low, byte high) => (byte)Math.Round(low + ((high - low) * share));
    }
}
