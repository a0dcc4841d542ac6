namespace OxyPlot;

/// <summary>
/// Approximate size of text: the advance widths of Helvetica (Adobe font metrics, in thousandths of the font size), with 0.556 for
/// letters beyond ASCII and 1 for East Asian ones. Good to a few per cent for the sans-serif fonts in use.
/// </summary>
internal static class FontMetrics
{
    /// <summary>Height of a line, of its part above the baseline and of a capital letter, in units of the font size.</summary>
    internal const double LineHeight = 1.12, Ascent = 0.9, CapHeight = 0.72;

    private const double OtherLetter = 0.556, WideLetter = 1;
    private const char FirstWide = '\u2E80';

    // ' ' to '~'.
    private static readonly short[] Widths =
    [
        278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
        556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
        1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
        667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
        333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
        556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
    ];

    internal static double Width(string text, double fontSize) => fontSize * text.Sum(Width);

    private static double Width(char letter) => letter switch
    {
        >= ' ' and <= '~' => Widths[letter - ' '] / 1000.0,
        >= FirstWide => WideLetter,
        _ => OtherLetter,
    };
}
