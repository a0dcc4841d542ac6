using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>
/// Figures as PNG and PDF, by librsvg's <c>rsvg-convert</c> as a process of its own. In print a figure of 420 units is 8.8 cm wide, a column of a paper, and its text 7 points high; others in proportion. The same SVG
/// gives the same bytes: the date inside a PDF is set to 1970.
/// </summary>
/// <param name="program">The converter's name on the path, or its full path.</param>
public sealed class FigureConverter(string program = "rsvg-convert")
{
    private const double ColumnWidth = 8.8, ColumnUnits = 420, CentimetresPerInch = 2.54, Dpi = 300;

    private const int Interrupted = 128 + 2, Terminated = 128 + 15;

    /// <value>How long one picture may take. 2 minutes.</value>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(2);

    /// <value>How long our own cancellation may take to be told of once a signal has ended the converter; without it the converter alone was meant, which is an error. 10 seconds.</value>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Throws what converting would throw, before long work is done for it.</summary>
    /// <exception cref="CurvatureException">The converter is not there or cannot run.</exception>
    public void Check() => Run(["--version"], "", CancellationToken.None);

    /// <summary>A picture in another format.</summary>
    /// <param name="svg">An SVG element with a <c>viewBox</c>.</param>
    /// <param name="width">Its natural width, <see cref="Figure.Width"/>.</param>
    /// <param name="format">PNG or PDF.</param>
    /// <param name="cancellation">Ends the converter too.</param>
    /// <exception cref="CurvatureException">The converter is not there, or refuses the picture, with what it says; or takes more than two minutes.</exception>
    public byte[] Convert(string svg, double width, FigureFormat format, CancellationToken cancellation = default)
    {
        double centimetres = ColumnWidth * width / ColumnUnits;
        string size = format == FigureFormat.Pdf
            ? string.Create(CultureInfo.InvariantCulture, $"{centimetres:0.###}cm")
            : Math.Round(centimetres / CentimetresPerInch * Dpi).ToString(CultureInfo.InvariantCulture);
        return Run(["--format", format.ToString().ToLowerInvariant(), "--width", size, "--keep-aspect-ratio"], svg, cancellation);
    }

    private byte[] Run(string[] arguments, string input, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        ProcessStartInfo start = new(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["SOURCE_DATE_EPOCH"] = "0";
        using var output = new MemoryStream();
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> error = process.StandardError.ReadToEndAsync(CancellationToken.None);
            Task read = process.StandardOutput.BaseStream.CopyToAsync(output, CancellationToken.None);
            Task fed = Task.Run(() => Feed(process, input), CancellationToken.None); // a pipe holds 64 KiB, and it may not read
            if (!Ends(process, [error, read, fed], cancellation))
            {
                throw new CurvatureException($"{program} did not end within {Patience.TotalMinutes} minutes. Leave out --figure-format: the figures are written as SVG.");
            }

            if (process.ExitCode is Interrupted or Terminated && cancellation.CanBeCanceled)
            {
                // Ctrl+C and mpirun's end go to the whole group of processes. A program that knows no signals is gone at once; here the signal waits for a thread of the pool, and on a busy machine its death is seen first.
                cancellation.WaitHandle.WaitOne(Grace);
            }

            cancellation.ThrowIfCancellationRequested();
            return process.ExitCode == 0
                ? output.ToArray()
                : throw new CurvatureException($"{program} could not convert a figure: {error.Result.Trim()} (exit code {process.ExitCode}). Leave out --figure-format: the figures are written as SVG.");
        }
        catch (Win32Exception missing)
        {
            throw new CurvatureException(
                $"PNG and PDF figures are made by {program}, which cannot be started here. Install Debian's package librsvg2-bin (apt-get install librsvg2-bin), or leave out --figure-format: the figures are written as SVG.",
                missing);
        }
    }

    /// <summary>Whether it has ended in time, all read and written; where it has not, or is cancelled, it is killed.</summary>
    private bool Ends(Process process, Task[] streams, CancellationToken cancellation)
    {
        bool ended = false;
        try
        {
            ended = Task.WaitAll(streams, (int)Patience.TotalMilliseconds, cancellation) && process.WaitForExit(Patience);
            return ended;
        }
        finally
        {
            if (!ended)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    private static void Feed(Process process, string input)
    {
        try
        {
            process.StandardInput.BaseStream.Write(Encoding.UTF8.GetBytes(input));
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading to the end: its exit code and its message say why.
        }
    }
}
