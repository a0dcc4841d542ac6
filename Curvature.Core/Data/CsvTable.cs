using System.Text;

namespace Curvature.Data;

/// <summary>
/// All the numbers of a comma-separated text, in blocks of whole rows, and the names of its columns where it has a header.
/// </summary>
internal sealed class CsvTable
{
    private const int BlockElements = 1 << 18;

    private readonly string _path;
    private readonly int _rowsPerBlock;
    private readonly List<double[]> _blocks = [];
    private readonly double[] _row;
    private Keeps? _keeps;
    private long _kept;

    private CsvTable(string path, int columns, string[]? header)
    {
        _row = new double[columns];
        _path = path;
        Columns = columns;
        Header = header;
        _rowsPerBlock = Math.Max(1, BlockElements / columns);
    }

    /// <summary>Whether a row is kept, after a look at it.</summary>
    /// <param name="row">Its place among the lines of numbers, from 0.</param>
    /// <param name="values">Its numbers.</param>
    public delegate bool Keeps(long row, ReadOnlySpan<double> values);

    /// <summary>Fields of a line.</summary>
    public int Columns { get; }

    /// <summary>Names of the columns; null where the first line is all numbers.</summary>
    public string[]? Header { get; }

    /// <summary>Lines of numbers, kept or not.</summary>
    public long Rows { get; private set; }

    /// <summary>The numbers that are kept row by row, in arrays of whole rows.</summary>
    public IEnumerable<double[]> Blocks =>
        _blocks.Select((block, i) => i < _blocks.Count - 1 ? block : block[..(int)((_kept - ((long)i * _rowsPerBlock)) * Columns)]);

    /// <summary>Reads to the end of the stream.</summary>
    /// <param name="stream">The text.</param>
    /// <param name="path">For messages.</param>
    /// <param name="keeps">Made once columns and header are known; null: every row is kept.</param>
    public static CsvTable Read(Stream stream, string path, Func<CsvTable, Keeps>? keeps = null)
    {
        var lines = new LineReader(stream, path);
        lines.Next(out ReadOnlySpan<byte> line);
        line = line.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]) ? line[3..] : line;
        int columns = line.Count((byte)',') + 1;
        InputFile.RequireMemory(path, (long)sizeof(double) * columns);
        double[] first = new double[columns];
        bool headed = CsvRow.FirstBad(line, first) >= 0;
        var table = new CsvTable(path, columns, headed ? Names(line) : null);
        table._keeps = keeps?.Invoke(table);
        if (!headed)
        {
            table.Append(line, lines.Number);
        }

        long blank = 0;
        while (lines.Next(out line))
        {
            if (CsvRow.Trim(line).IsEmpty)
            {
                blank = blank == 0 ? lines.Number : blank;
            }
            else if (blank > 0)
            {
                throw new DataFormatException(path, $"numbers in line {blank}", "a blank line", "remove it");
            }
            else
            {
                table.Append(line, lines.Number);
            }
        }

        return table.Rows > 0
            ? table
            : throw new DataFormatException(path, "at least 1 line of numbers", "none", "give data with samples in it");
    }

    /// <summary>A column as messages call it: its name, or its index from 0.</summary>
    public string ColumnName(int column) =>
        Header is not null && column < Header.Length ? $"column '{Header[column]}'" : $"column {column} (counted from 0)";

    private void Append(ReadOnlySpan<byte> line, long number)
    {
        Span<double> values = _row;
        int bad = CsvRow.FirstBad(line, values);
        if (bad < 0)
        {
            bad = values.IndexOfAnyExceptInRange(double.MinValue, double.MaxValue);
        }

        if (bad >= 0)
        {
            if (CsvRow.OtherSeparator(line) is { } separator)
            {
                throw new DataFormatException(_path, $"commas between the fields of line {number}", separator, "write the file with commas between fields, and points in numbers");
            }

            int fields = line.Count((byte)',') + 1;
            throw fields != Columns
                ? new DataFormatException(_path, $"{Columns} fields in line {number}", $"{fields}", "make all lines alike")
                : new DataFormatException(
                    _path,
                    $"a finite number in line {number}, {ColumnName(bad)}",
                    $"'{Field(line, bad)}'",
                    "replace it by a number or remove the line");
        }

        if (_keeps is null || _keeps(Rows, values))
        {
            Keep(values);
        }

        Rows++;
    }

    private void Keep(ReadOnlySpan<double> values)
    {
        if (_kept % _rowsPerBlock == 0)
        {
            // This block and, while all blocks are still there, the tensors that are filled from them.
            InputFile.RequireMemory(_path, (long)sizeof(double) * Columns * (_kept + (2 * _rowsPerBlock)));
            _blocks.Add(new double[_rowsPerBlock * Columns]);
        }

        values.CopyTo(_blocks[^1].AsSpan((int)(_kept % _rowsPerBlock) * Columns));
        _kept++;
    }

    private static string[] Names(ReadOnlySpan<byte> line)
    {
        var names = new List<string>();
        foreach (Range range in line.Split((byte)','))
        {
            names.Add(Encoding.UTF8.GetString(CsvRow.Trim(line[range])));
        }

        return [.. names];
    }

    private static string Field(ReadOnlySpan<byte> line, int column)
    {
        string text = Encoding.UTF8.GetString(line).Split(',')[column].Trim();
        return text.Length <= 40 ? text : text[..40] + "...";
    }
}
