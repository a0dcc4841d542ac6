using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Curvature.Tests.Cli;
using Curvature.Viz.Report;
using Xunit;

namespace Curvature.Tests.Viz.Report;

public class FigureConverterTests
{
    [ConverterFact]
    public void A_pdf_is_as_wide_as_a_column_of_a_paper_and_the_same_bytes_at_each_call()
    {
        using var folder = new TemporaryFolder();
        using var culture = new DecimalComma();
        IReadOnlyList<string> written = ReportWriter.Write(Samples.Report, folder.File("a"), FigureFormat.Pdf);
        string[] pictures = [.. written.Where(path => path.EndsWith(".pdf", StringComparison.Ordinal))];
        Assert.Equal(written.Where(path => path.EndsWith(".svg", StringComparison.Ordinal)).Select(path => Path.ChangeExtension(path, ".pdf")), pictures);
        Assert.All(pictures, path =>
        {
            string text = Encoding.Latin1.GetString(File.ReadAllBytes(path));
            Assert.StartsWith("%PDF-", text, StringComparison.Ordinal);
            double width = double.Parse(Regex.Match(text, @"/MediaBox \[ 0 0 ([\d.]+) ").Groups[1].Value, CultureInfo.InvariantCulture);
            Assert.Equal(8.8 / 2.54 * 72, width, 0.1);
        });
        ReportWriter.Write(Samples.Report, folder.File("b"), FigureFormat.Pdf);
        Assert.All(pictures, path => Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(path.Replace("/a/", "/b/", StringComparison.Ordinal))));
    }

    [ConverterFact]
    public void A_png_has_300_dots_an_inch_of_a_column()
    {
        using var folder = new TemporaryFolder();
        IReadOnlyList<string> written = PlanWriter.Write(PlanSamples.Report, "{}\n", folder.File("plan"), FigureFormat.Png);
        byte[] png = File.ReadAllBytes(Assert.Single(written, path => path.EndsWith("pareto.png", StringComparison.Ordinal)));
        Assert.Equal(0x89504E47u, BinaryPrimitives.ReadUInt32BigEndian(png));
        Assert.Equal(1039u, BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan(16)));
        Assert.Equal(668u, BinaryPrimitives.ReadUInt32BigEndian(png.AsSpan(20)));
    }

    [ConverterFact]
    public void Says_what_the_converter_says_of_a_picture_it_refuses()
    {
        var error = Assert.Throws<CurvatureException>(() => new FigureConverter().Convert("<svg", 420, FigureFormat.Png));
        Assert.StartsWith("rsvg-convert could not convert a figure: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_converter_that_does_not_read_is_given_up_and_killed()
    {
        using var folder = new TemporaryFolder();
        string svg = new(' ', 1 << 20), sleeps = Script(folder, "echo $$ > \"$(dirname \"$0\")/pid\"; exec sleep 60");
        Assert.Contains("did not end within", Assert.Throws<CurvatureException>(() => new FigureConverter(sleeps) { Patience = TimeSpan.FromSeconds(4) }.Convert(svg, 420, FigureFormat.Png)).Message, StringComparison.Ordinal);
        Gone(folder);
        File.Delete(folder.File("pid"));
        using var cancel = new CancellationTokenSource();
        var told = new Thread(() =>
        {
            SpinWait.SpinUntil(() => Id(folder) is not null, TimeSpan.FromMinutes(1));
            cancel.Cancel();
        });
        told.Start();
        Exception? thrown = Record.Exception(() => new FigureConverter(sleeps).Convert(svg, 420, FigureFormat.Png, cancel.Token));
        told.Join();
        Assert.IsAssignableFrom<OperationCanceledException>(thrown);
        Gone(folder);
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public void A_signal_to_the_converter_and_to_us_is_our_cancellation_and_not_its_fault(string signal)
    {
        using var folder = new TemporaryFolder();
        var converter = new FigureConverter(Script(folder, $"echo $$ > \"$(dirname \"$0\")/pid\"; kill -{signal} $$; sleep 60")) { Grace = TimeSpan.FromMinutes(2) };
        using var cancel = new CancellationTokenSource();
        var told = new Thread(() =>
        {
            SpinWait.SpinUntil(() => Id(folder) is { } id && !Directory.Exists($"/proc/{id}"), TimeSpan.FromMinutes(1));
            Thread.Sleep(TimeSpan.FromSeconds(0.5)); // its death is seen long before our signal is told of
            cancel.Cancel();
        });
        told.Start();
        Exception? thrown = Record.Exception(() => converter.Convert("<svg/>", 420, FigureFormat.Png, cancel.Token));
        told.Join();
        Assert.IsAssignableFrom<OperationCanceledException>(thrown);
        Assert.Contains("could not convert a figure", Assert.Throws<CurvatureException>(() => converter.Convert("<svg/>", 420, FigureFormat.Png)).Message, StringComparison.Ordinal);
        using var never = new CancellationTokenSource();
        FigureConverter impatient = new(Script(folder, $"kill -{signal} $$; sleep 60")) { Grace = TimeSpan.FromSeconds(0.1) };
        Assert.Contains("could not convert a figure", Assert.Throws<CurvatureException>(() => impatient.Convert("<svg/>", 420, FigureFormat.Png, never.Token)).Message, StringComparison.Ordinal);
        Assert.Throws<OperationCanceledException>(() => new FigureConverter("/nowhere/rsvg-convert").Convert("<svg/>", 420, FigureFormat.Png, new CancellationToken(canceled: true)));
    }

    private static string Script(TemporaryFolder folder, string text)
    {
        string script = folder.Write("convert", $"#!/bin/sh\n{text}\n");
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return script;
    }

    /// <summary>The process whose number a script wrote is there no more.</summary>
    private static void Gone(TemporaryFolder folder)
    {
        int id = Id(folder)!.Value;
        Assert.True(SpinWait.SpinUntil(() => !Directory.Exists($"/proc/{id}"), TimeSpan.FromMinutes(1)));
    }

    /// <summary>The number that a script has written; null before it has.</summary>
    private static int? Id(TemporaryFolder folder) =>
        File.Exists(folder.File("pid")) && File.ReadAllText(folder.File("pid")) is var text && text.EndsWith('\n') ? int.Parse(text, CultureInfo.InvariantCulture) : null;

    [Fact]
    public void Without_the_converter_says_which_package_brings_it()
    {
        var error = Assert.Throws<CurvatureException>(() => new FigureConverter("/nowhere/rsvg-convert").Check());
        Assert.Contains("Debian's package librsvg2-bin", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_says_so_before_any_work_and_writes_nothing()
    {
        using var folder = new TemporaryFolder();
        string dotnet = Environment.ProcessPath is { } path && Path.GetFileName(path) == "dotnet" ? path : "/usr/bin/dotnet";
        File.CreateSymbolicLink(folder.File("dotnet"), dotnet); // alone on the path
        using var command = CommandProcess.With("PATH", Path.GetDirectoryName(folder.File("dotnet"))!, ["report", .. CommandRun.Digits, "--figure-format", "pdf", "--out", folder.File("out")]);
        CommandRun run = command.Finish();
        Assert.Equal((1, ""), (run.ExitCode, run.Output));
        Assert.StartsWith("error: PNG and PDF figures are made by rsvg-convert", run.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.File("out")));
    }

    [Theory]
    [InlineData("--figure-format gif: expected one of svg, png, pdf.", "report", "m.pt", "--data", "d.npz", "--loss", "mse", "--figure-format", "gif")]
    [InlineData("--figure-format png: figures are written into a folder only; add --out DIR.", "measure", "landscape", "m.pt", "--data", "d.npz", "--loss", "mse", "--figure-format", "png")]
    [InlineData("--figure-format png: figures are written into a folder only; add --out DIR.", "plan", "--table", "t.json", "--limit", "avg-bits=4", "--out", "plan.json", "--figure-format", "png")]
    public void Where_no_figures_go_it_is_refused(string message, params string[] args)
    {
        CommandRun run = CommandRun.Of(args);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }
}
