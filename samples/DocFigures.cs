using Curvature.Viz.Figures;
using Curvature.Viz.Report;

namespace Curvature.Samples;

/// <summary>Pictures of the documentation, made by the samples that it quotes.</summary>
internal static class DocFigures
{
    /// <summary>Writes a figure into the folder asked for, or <c>docs/images</c>; when quick and no folder was asked for it is drawn and thrown away.</summary>
    public static void Write(SampleOptions options, string name, Figure figure)
    {
        string svg = AccessibleSvg.Of(figure.ToSvg(FigureTheme.Paper), name, figure.Title, figure.Description) + "\n";
        if (options.Quick && options.Out is null)
        {
            Console.WriteLine($"drew {name}: {figure.Description}");
            return;
        }

        string path = Path.Combine(options.Out ?? "docs/images", name + ".svg");
        AtomicFile.WriteAll([(path, AtomicFile.Text(svg))]);
        Console.WriteLine($"wrote {path}: {figure.Description}");
    }
}
