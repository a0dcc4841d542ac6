using System.Globalization;
using System.Text;
using Curvature.Viz.Figures;

namespace Curvature.Viz.Report;

/// <summary>
/// HTML in the making. Markup is written as interpolated strings in which every inserted value is escaped, whatever it holds;
/// only another <see cref="Markup"/> is inserted as it is.
/// </summary>
internal sealed class Markup : IFormatProvider, ICustomFormatter
{
    private readonly StringBuilder text = new();

    /// <summary>Markup from a string that is known to be well-formed.</summary>
    internal static Markup Trusted(string html)
    {
        var markup = new Markup();
        markup.text.Append(html);
        return markup;
    }

    /// <summary>Appends one line of markup.</summary>
    internal void Add(FormattableString html) => text.AppendFormat(this, html.Format, html.GetArguments()).Append('\n');

    /// <inheritdoc/>
    public override string ToString() => text.ToString();

    object? IFormatProvider.GetFormat(Type? formatType) => formatType == typeof(ICustomFormatter) ? this : null;

    string ICustomFormatter.Format(string? format, object? arg, IFormatProvider? formatProvider) =>
        arg is Markup markup ? markup.ToString() : Escaped(Convert.ToString(arg, CultureInfo.InvariantCulture) ?? "");

    private static string Escaped(string value) => PrintableName.Of(value)
        .Replace("&", "&amp;", StringComparison.Ordinal)
        .Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal)
        .Replace("\"", "&quot;", StringComparison.Ordinal)
        .Replace("'", "&#39;", StringComparison.Ordinal);
}
