using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Curvature.Estimators;
using Curvature.Krylov;

namespace Curvature.Sharpness;

/// <summary>
/// The file of a <see cref="SharpnessMonitor"/>: JSON lines, each written and handed to the operating system whole, so that a process that is killed leaves whole lines. What a machine that stopped left of a line is
/// cut off when the run goes on, and passed over when it is read. Numbers that are not finite are missing.
/// </summary>
public sealed class MonitorFile : IDisposable
{
    private const long Largest = 1 << 30;

    // What each line begins with.
    private static readonly byte[] Beginning = "{\"step\":"u8.ToArray();

    private readonly FileStream _stream;
    private readonly string _path;

    /// <summary>Opens a file to add to.</summary>
    /// <param name="path">Created if missing, with its folder.</param>
    /// <exception cref="CurvatureException">It cannot be written, or holds something else than a monitor's lines.</exception>
    public MonitorFile(string path)
    {
        AtomicFile.CheckFile(path);
        if (File.Exists(path))
        {
            Read(path);
        }

        _path = path;
        FileStream? stream = null;
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 1);
            long end = EndOfLastLine(stream);
            if (!IsUnfinishedLine(stream, end))
            {
                throw new CurvatureException($"{path}: what follows the last line feed is not the beginning of a line of a monitor, which would be cut off. Name the file that SharpnessMonitor wrote, or a new one.");
            }

            stream.SetLength(end);
            stream.Seek(0, SeekOrigin.End);
            (_stream, stream) = (stream, null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CurvatureException(AtomicFile.Refusal(path, e), e);
        }
        finally
        {
            stream?.Dispose();
        }
    }

    /// <summary>Adds a line, whole or not at all.</summary>
    /// <param name="record">What was seen.</param>
    /// <param name="parameters">Size of the Hessian.</param>
    /// <exception cref="CurvatureException">The disk is full, or the file was taken away.</exception>
    public void Add(MonitorRecord record, long parameters)
    {
        ArgumentNullException.ThrowIfNull(record);
        byte[] line = Encoding.UTF8.GetBytes(Line(record, parameters) + "\n");
        long before = _stream.Position;
        try
        {
            _stream.Write(line);
            _stream.Flush();
        }
        catch (IOException e)
        {
            CutTo(before);
            throw new CurvatureException($"{AtomicFile.Refusal(_path, e)} The training can also be watched without a file.", e);
        }
    }

    /// <summary>
    /// The records of a file in the order of their steps. A step that was made twice, because a run went on from before it, counts as it was made last, and what came after the first time is left out. A last line that is not
    /// whole is passed over.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CurvatureException">No such file, or a line in it is not a monitor's; the message names it.</exception>
    public static IReadOnlyList<MonitorRecord> Read(string path)
    {
        string text;
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            if (stream.Length > Largest)
            {
                throw new CurvatureException($"{path}: {stream.Length} bytes are more than a monitor writes; expected at most {Largest}.");
            }

            using StreamReader reader = new(stream, Encoding.UTF8);
            text = reader.ReadToEnd();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CurvatureException($"Cannot read '{path}': {e.Message}", e);
        }

        string[] lines = text.Split('\n');
        List<MonitorRecord> records = [];
        for (int i = 0; i < lines.Length - 1; i++) // what is behind the last line feed is not whole
        {
            MonitorRecord record = Parse(lines[i]) ?? throw new CurvatureException(
                $"{path}: line {i + 1} is not what a monitor writes, a JSON object with a whole number \"step\". Remove that line, or name the file that SharpnessMonitor wrote.");
            while (records.Count > 0 && records[^1].Step >= record.Step)
            {
                records.RemoveAt(records.Count - 1);
            }

            records.Add(record);
        }

        return records;
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private static string Line(MonitorRecord record, long parameters)
    {
        JsonObject line = new() { ["step"] = record.Step, ["parameters"] = parameters };
        void Number(string name, double? value)
        {
            if (value is { } number && double.IsFinite(number))
            {
                line[name] = number;
            }
        }

        Number("loss", record.Loss);
        Number("gradient_norm", record.GradientNorm);
        Number("sharpness", record.Sharpness?.Value);
        Number("sharpness_residual", record.Sharpness?.Residual);
        if (record.Sharpness is { } sharpness)
        {
            line["converged"] = sharpness.Converged;
        }

        Number("trace", record.Trace?.Value);
        Number("trace_standard_error", record.Trace?.StandardError);
        Number("batch_sharpness", record.BatchSharpness?.Value);
        Number("batch_sharpness_standard_error", record.BatchSharpness?.StandardError);
        Number("alignment", record.Alignment);
        Number("learning_rate", record.LearningRate);
        Number("critical_sharpness", record.CriticalSharpness);
        line["products"] = record.Products;
        Number("seconds", record.Seconds);
        Number("overhead", record.Overhead);
        if (record.Problem is { } problem)
        {
            line["problem"] = problem;
        }

        return line.ToJsonString();
    }

    private static MonitorRecord? Parse(string line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement json = document.RootElement;
            if (json.ValueKind != JsonValueKind.Object || !json.TryGetProperty("step", out JsonElement step) || step.ValueKind != JsonValueKind.Number || !step.TryGetInt64(out long at))
            {
                return null;
            }

            double? Number(string name) => json.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) ? number : null;
            Estimate? Estimated(string name) => Number(name) is { } value ? new Estimate(value, Number($"{name}_standard_error") ?? double.NaN, 0, 2) : null;
            bool converged = json.TryGetProperty("converged", out JsonElement flag) && flag.ValueKind == JsonValueKind.True;
            return new MonitorRecord(at)
            {
                Loss = Number("loss"),
                GradientNorm = Number("gradient_norm"),
                Sharpness = Number("sharpness") is { } sharpness ? new Eigenvalue(sharpness, Number("sharpness_residual") ?? double.NaN, converged) : null,
                Trace = Estimated("trace"),
                BatchSharpness = Estimated("batch_sharpness"),
                Alignment = Number("alignment"),
                LearningRate = Number("learning_rate"),
                CriticalSharpness = Number("critical_sharpness"),
                Products = (int)Math.Clamp(Number("products") ?? 0, 0, int.MaxValue),
                Seconds = Number("seconds") ?? 0,
                Overhead = Number("overhead") ?? double.PositiveInfinity,
                Problem = json.TryGetProperty("problem", out JsonElement problem) && problem.ValueKind == JsonValueKind.String ? problem.GetString() : null,
            };
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the latter for text that is no Unicode
        {
            return null;
        }
    }

    /// <summary>Takes away what a write that failed has left of a line, or leaves it to whoever opens the file next.</summary>
    private void CutTo(long length)
    {
        try
        {
            _stream.SetLength(length);
            _stream.Seek(0, SeekOrigin.End);
        }
        catch (IOException)
        {
            // The error of the write is the one to report.
        }
    }

    /// <summary>Whether what follows is the beginning of a line, or of one of which zeros came to the disk in place of the rest.</summary>
    private static bool IsUnfinishedLine(FileStream stream, long from)
    {
        stream.Seek(from, SeekOrigin.Begin);
        int matched = 0, next;
        while (matched < Beginning.Length && (next = stream.ReadByte()) >= 0)
        {
            if (next == Beginning[matched])
            {
                matched++;
            }
            else
            {
                return next == 0 && IsZeroToTheEnd(stream);
            }
        }

        return true;
    }

    private static bool IsZeroToTheEnd(FileStream stream)
    {
        int next;
        while ((next = stream.ReadByte()) == 0)
        {
        }

        return next < 0;
    }

    /// <summary>The length up to and with the last line feed.</summary>
    private static long EndOfLastLine(FileStream stream)
    {
        long end = stream.Length;
        while (end > 0)
        {
            stream.Seek(end - 1, SeekOrigin.Begin);
            if (stream.ReadByte() == '\n')
            {
                break;
            }

            end--;
        }

        return end;
    }
}
