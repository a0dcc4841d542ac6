using System.Security.Cryptography;
using System.Text;

namespace Curvature.Viz.Report;

/// <summary>The script of the page: sorting, scales, values to point at, surfaces to turn. It is <c>page.js</c> beside this file, and the page's policy lets no other run.</summary>
internal static class ReportScript
{
    /// <summary>What stands in the script element. The marks of a CDATA section are comments to HTML and keep the page well-formed XML.</summary>
    internal static string Text { get; } = $"//<![CDATA[\n{Read()}//]]>\n";

    /// <summary>Its source expression in a content-security policy.</summary>
    internal static string Hash { get; } = $"sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(Text)))}";

    private static string Read()
    {
        using Stream stream = typeof(ReportScript).Assembly.GetManifestResourceStream("page.js")!;
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
