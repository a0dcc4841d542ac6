using System.CommandLine;
using System.CommandLine.Parsing;
using Curvature.Viz.Report;

namespace Curvature.Cli.CommandLine;

/// <summary><c>--figure-format</c>: the figures as PNG or PDF too.</summary>
internal static class FigureFormatOption
{
    private const string Name = "--figure-format";

    public static Option<string?> Create() => Choices.Word(Name, "png or pdf: the figures in that format too, by rsvg-convert (Debian's librsvg2-bin) [svg]", "svg", "png", "pdf");

    /// <summary>An error where there is no folder for figures.</summary>
    public static void RequireFolder(CommandResult result, Option<string?> format, Option<string?> folder)
    {
        if (Choices.Given(result, format) is { } word && Choices.Given(result, folder) is var place && (place is null || place.EndsWith(".json", StringComparison.Ordinal)))
        {
            result.AddError($"{Name} {word}: figures are written into a folder only; add {folder.Name} DIR.");
        }
    }

    /// <summary>What was asked for, once it is known that it can be had: before any work.</summary>
    /// <exception cref="CurvatureException">The converter is not there.</exception>
    public static FigureFormat Read(ParseResult parse, Option<string?> option)
    {
        FigureFormat format = parse.GetValue(option) switch { "png" => FigureFormat.Png, "pdf" => FigureFormat.Pdf, _ => FigureFormat.Svg };
        if (format != FigureFormat.Svg)
        {
            new FigureConverter().Check();
        }

        return format;
    }
}
