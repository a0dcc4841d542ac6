using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace Curvature.Data;

/// <summary>Reads the numbers of one line of comma-separated text; culture plays no part.</summary>
internal static class CsvRow
{
    /// <summary>Powers of ten that a double holds exactly.</summary>
    private static readonly double[] Tens = [.. Enumerable.Range(0, 23).Select(n => double.Parse($"1e{n}", CultureInfo.InvariantCulture))];

    /// <summary>Parses a line into <paramref name="values"/>.</summary>
    /// <returns>The index of the first field that is no number, is missing, or is one too many; -1 for a good line.</returns>
    public static int FirstBad(ReadOnlySpan<byte> line, Span<double> values)
    {
        int column = 0;
        while (column < values.Length)
        {
            int used = Short(line, out values[column]);
            if (used < 0)
            {
                int comma = line.IndexOf((byte)',');
                used = comma < 0 ? line.Length : comma;
                if (!TryParse(line[..used], out values[column]))
                {
                    return column;
                }
            }

            column++;
            if (used == line.Length)
            {
                return column == values.Length ? -1 : column;
            }

            line = line[(used + 1)..];
        }

        return column;
    }

    /// <summary>One field: a number, perhaps in quotes or between blanks; "nan" and "inf" are numbers here.</summary>
    public static bool TryParse(ReadOnlySpan<byte> field, out double value)
    {
        field = Trim(field);
        if (Utf8Parser.TryParse(field, out value, out int used) && used == field.Length)
        {
            return true;
        }

        value = double.NaN;
        return field.Length is 3 or 4
            && (field.TrimStart((byte)'-') is { Length: 3 } word)
            && (Ascii.EqualsIgnoreCase(word, "nan"u8) || Ascii.EqualsIgnoreCase(word, "inf"u8));
    }

    /// <summary>What a line that is no good line seems to have in the place of commas, as messages call it; null for nothing else than commas. Two of the fields it makes must be numbers, perhaps with decimal commas.</summary>
    public static string? OtherSeparator(ReadOnlySpan<byte> line)
    {
        string text = Encoding.UTF8.GetString(line);
        return Separates(';') ? "';'" : text.Contains(',', StringComparison.Ordinal) ? null : Separates('\t') ? "tabs" : Separates(' ') ? "blanks" : null;

        bool Separates(char c) => text.Split(c, StringSplitOptions.RemoveEmptyEntries).Count(field => TryParse(Encoding.UTF8.GetBytes(field.Replace(',', '.')), out _)) > 1;
    }

    /// <summary>The field without surrounding blanks and one pair of quotes.</summary>
    public static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> field)
    {
        field = field.Trim(" \t"u8);
        return field.Length >= 2 && field[0] == '"' && field[^1] == '"' ? field[1..^1] : field;
    }

    /// <summary>
    /// The usual case, a plain decimal of at most 15 digits: both the digits and the power of ten are exact in a double, so that one
    /// division rounds correctly (W. Clinger, PLDI 1990). Returns the bytes used up to a comma or the end, or -1 for the general
    /// parser.
    /// </summary>
    private static int Short(ReadOnlySpan<byte> line, out double value)
    {
        int at = line.Length > 0 && line[0] == '-' ? 1 : 0;
        int first = at, point = -1;
        long digits = 0;
        for (; at < line.Length && at - first <= 16; at++)
        {
            uint digit = (uint)(line[at] - '0');
            if (digit <= 9)
            {
                digits = (digits * 10) + digit;
            }
            else if (line[at] == '.' && point < 0)
            {
                point = at;
            }
            else
            {
                break;
            }
        }

        int count = at - first - (point < 0 ? 0 : 1);
        value = digits / Tens[point < 0 ? 0 : at - point - 1];
        value = first == 1 ? -value : value;
        return count is >= 1 and <= 15 && (at == line.Length || line[at] == ',') ? at : -1;
    }
}
