namespace Curvature.Cli.Work;

/// <summary>The files that a command reads, which none of its results may replace.</summary>
internal static class InputFiles
{
    /// <summary>The files that a word on the command line stands for: one, or an IDX pair with a comma between.</summary>
    public static string[] Of(string specification) => File.Exists(specification) ? [specification] : specification.Split(',', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Throws where one of the files that are read would be written over.</summary>
    /// <param name="file">What is to be written.</param>
    /// <param name="read">What is read; null for what is not given.</param>
    /// <exception cref="CurvatureException">They are the same file.</exception>
    public static void Refuse(string file, params string?[] read)
    {
        string target = Path.GetFullPath(file);
        if (read.OfType<string>().SelectMany(Of).Any(input => Path.GetFullPath(input) == target))
        {
            throw new CurvatureException($"Cannot write '{file}': it is read here. Name another file.");
        }
    }
}
