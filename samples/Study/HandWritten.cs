namespace Curvature.Samples.Study;

/// <summary>What people write into a page that is made from results stands between two marks and is kept.</summary>
internal static class HandWritten
{
    public const string Begins = "<!-- by hand -->\n", Ends = "<!-- end -->\n";

    /// <summary>What stands there; empty where there is nothing.</summary>
    public static string In(string page)
    {
        int from = page.IndexOf(Begins, StringComparison.Ordinal), to = page.IndexOf(Ends, StringComparison.Ordinal);
        return from >= 0 && to > from ? page[(from + Begins.Length)..to] : "";
    }
}
