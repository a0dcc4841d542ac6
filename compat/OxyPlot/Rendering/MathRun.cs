namespace OxyPlot;

/// <summary>Text with subscripts and superscripts, <c>10^{-3}</c> and <c>λ_{max}</c>, as runs of one level each.</summary>
/// <param name="Text">The letters.</param>
/// <param name="Level">1 superscript, -1 subscript, 0 neither.</param>
internal readonly record struct MathRun(string Text, int Level)
{
    private const double ScriptSize = 0.7, Raise = 0.38, Lower = 0.22;

    /// <summary>Font size of the run in units of the text's.</summary>
    internal double Scale => Level == 0 ? 1 : ScriptSize;

    /// <summary>Distance of the baseline below the text's, in units of the font size.</summary>
    internal double Shift => Level switch { > 0 => -Raise, < 0 => Lower, _ => 0 };

    internal static List<MathRun> Parse(string text)
    {
        var runs = new List<MathRun>();
        int start = 0;
        for (int i = 0; i + 1 < text.Length; i++)
        {
            int end = text[i] is '^' or '_' && text[i + 1] == '{' ? text.IndexOf('}', i) : -1;
            if (end > 0)
            {
                Add(runs, text[start..i], 0);
                Add(runs, text[(i + 2)..end], text[i] == '^' ? 1 : -1);
                i = end;
                start = end + 1;
            }
        }

        Add(runs, text[start..], 0);
        return runs;
    }

    private static void Add(List<MathRun> runs, string text, int level)
    {
        if (text.Length > 0)
        {
            runs.Add(new(text, level));
        }
    }
}
