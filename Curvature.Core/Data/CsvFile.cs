using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Data;

/// <summary>
/// A table of numbers as comma-separated text, plain or gzip-compressed: one sample a line, one column of it the target. The first line
/// is a header if it is not all numbers. Decimal points whatever the culture; blanks around and quotes about a field are allowed; blank
/// lines are allowed at the end.
/// </summary>
public static class CsvFile
{
    /// <summary>
    /// Inputs <c>[N, columns - 1]</c> of type <see cref="DataOptions.InputType"/>, times <see cref="DataOptions.Scale"/>; targets
    /// <c>[N]</c>: int64 labels where all are whole numbers, otherwise of the inputs' type. The caller disposes the dataset.
    /// </summary>
    /// <exception cref="DataFormatException">
    /// Not such a file, cut or corrupted, lines of unequal length, a field that is not a finite number (named by line and column), or
    /// no such target.
    /// </exception>
    public static Dataset Read(string path, DataOptions options)
    {
        CsvTable table;
        using (Stream stream = GzipReader.OpenFile(path))
        {
            table = CsvTable.Read(stream, path);
        }

        int target = TargetColumn(table, options.Target, path);
        using DisposeScope scope = NewDisposeScope();
        Tensor inputs = empty([table.Rows, table.Columns - 1], options.InputType);
        Tensor targets = empty(table.Rows, ScalarType.Float64);
        Fill(table, target, inputs, targets);
        return Dataset.Take(path, inputs, LabelsOr(options.InputType, targets), options);
    }

    /// <summary>The same samples, of which some can be read: one pass counts them and finds out whether the targets are labels, and each reading is another that keeps what was asked for.</summary>
    /// <exception cref="DataFormatException">As <see cref="Read"/>.</exception>
    internal static SampleFile Open(string path, DataOptions options)
    {
        int target = -1;
        bool whole = true;
        CsvTable table = Passed(path, table =>
        {
            target = TargetColumn(table, options.Target, path);
            return (_, values) =>
            {
                whole &= Math.Truncate(values[target]) == values[target] && Math.Abs(values[target]) < long.MaxValue;
                return false;
            };
        });
        return new SampleFile(path, table.Rows, rows =>
        {
            using DisposeScope scope = NewDisposeScope();
            var wanted = rows.ToHashSet();
            CsvTable some = Passed(path, _ => (row, _) => wanted.Contains(row));
            if ((some.Rows, some.Columns) != (table.Rows, table.Columns))
            {
                throw new DataFormatException(path, $"{table.Rows} lines of {table.Columns} numbers, as when it was opened", $"{some.Rows} of {some.Columns}", "leave the file as it is while it is read");
            }

            Tensor inputs = empty([rows.Count, some.Columns - 1], options.InputType);
            Tensor targets = empty(rows.Count, ScalarType.Float64);
            Fill(some, target, inputs, targets);
            long[] rising = [.. rows.Order()];
            Tensor order = tensor(rows.Select(row => (long)Array.BinarySearch(rising, row)).ToArray()); // they were kept in the order of the file
            return Dataset.Take(path, inputs.index_select(0, order), targets.index_select(0, order).to(whole ? ScalarType.Int64 : options.InputType), options, rows);
        });
    }

    private static CsvTable Passed(string path, Func<CsvTable, CsvTable.Keeps> keeps)
    {
        using Stream stream = GzipReader.OpenFile(path);
        return CsvTable.Read(stream, path, keeps);
    }

    /// <summary>The arrays <c>x</c> and <c>y</c> that <see cref="Read"/> would give with the last column as target.</summary>
    /// <exception cref="DataFormatException">As <see cref="Read"/>.</exception>
    public static IReadOnlyList<ArrayEntry> Describe(string path)
    {
        using Dataset data = Read(path, new DataOptions());
        return [ElementTypes.Line("x", data.Inputs), ElementTypes.Line("y", data.Targets)];
    }

    private static int TargetColumn(CsvTable table, string? target, string path)
    {
        int column = target is null ? -1 : Array.IndexOf(table.Header ?? [], target);
        bool known = column >= 0 || target is null || (
            int.TryParse(target, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out column)
            && column >= -1 && column < table.Columns);
        if (!known)
        {
            string names = table.Header is null ? "it has no header" : $"its columns are {string.Join(", ", table.Header.Take(100))}";
            throw new DataFormatException(
                path,
                $"a target column '{target}'",
                $"{table.Columns} columns without it ({names})",
                $"name one of them, or an index from 0 to {table.Columns - 1}, or -1 for the last");
        }

        return table.Columns == 1
            ? throw new DataFormatException(path, "a target and at least one other column", "one column", "separate the columns by commas")
            : column < 0 ? table.Columns - 1 : column;
    }

    private static void Fill(CsvTable table, int target, Tensor inputs, Tensor targets)
    {
        long start = 0;
        foreach (double[] values in table.Blocks)
        {
            using DisposeScope scope = NewDisposeScope();
            Tensor block = tensor(values, [values.Length / table.Columns, table.Columns]);
            Tensor rows = inputs.narrow(0, start, block.shape[0]);
            rows.narrow(1, 0, target).copy_(block.narrow(1, 0, target));
            rows.narrow(1, target, table.Columns - 1 - target).copy_(block.narrow(1, target + 1, table.Columns - 1 - target));
            targets.narrow(0, start, block.shape[0]).copy_(block.select(1, target));
            start += block.shape[0];
        }
    }

    /// <summary>The targets as int64 where that changes none of them, otherwise in the floating-point type.</summary>
    private static Tensor LabelsOr(ScalarType type, Tensor targets)
    {
        Tensor labels = targets.to(ScalarType.Int64);
        bool whole = labels.to(ScalarType.Float64).eq(targets).all().ToBoolean();
        return whole ? labels : targets.to(type);
    }
}
