using System.Text;

namespace Curvature.Viz.Figures;

/// <summary>Names from files, made fit to print: a checkpoint may call its layers anything.</summary>
public static class PrintableName
{
    /// <summary>
    /// <paramref name="name"/> with control characters and halves of surrogate pairs replaced by U+FFFD (neither XML nor HTML may hold
    /// them) and, beyond <paramref name="length"/> characters, an ellipsis for its middle.
    /// </summary>
    public static string Of(string name, int length = int.MaxValue)
    {
        var text = new StringBuilder(name.Length);
        foreach (Rune rune in name.EnumerateRunes())
        {
            text.Append(Rune.IsControl(rune) || rune.Value is 0xFFFE or 0xFFFF ? Rune.ReplacementChar.ToString() : rune.ToString());
        }

        if (text.Length <= length)
        {
            return text.ToString();
        }

        int head = length / 3;
        int tail = length - head - 1;
        head -= char.IsHighSurrogate(text[head - 1]) ? 1 : 0;
        tail -= char.IsLowSurrogate(text[^tail]) ? 1 : 0;
        return $"{text.ToString(0, head)}…{text.ToString(text.Length - tail, tail)}";
    }
}
