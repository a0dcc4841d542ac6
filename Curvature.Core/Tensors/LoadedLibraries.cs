namespace Curvature.Tensors;

/// <summary>Native libraries that this process has loaded already, under whichever name its package gave them; none are known where there is no <c>/proc</c>.</summary>
internal static class LoadedLibraries
{
    private const string Maps = "/proc/self/maps";

    /// <summary>The paths of those whose file's name begins so.</summary>
    /// <param name="prefix">The beginning.</param>
    public static IEnumerable<string> Named(string prefix) => !File.Exists(Maps) ? [] : File.ReadLines(Maps)
        .Where(line => line.Contains('/', StringComparison.Ordinal))
        .Select(line => line[line.IndexOf('/', StringComparison.Ordinal)..])
        .Where(path => Path.GetFileName(path).StartsWith(prefix, StringComparison.Ordinal))
        .Distinct();
}
