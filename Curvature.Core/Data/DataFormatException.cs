namespace Curvature.Data;

/// <summary>
/// A file that cannot be read: absent, cut, corrupted, or not of the kind it was said to be.
/// The message reads <c>FILE: expected .., got ..; remedy.</c>
/// </summary>
public sealed class DataFormatException : CurvatureException
{
    private const int LongestPart = 400;

    /// <summary>An error with no message; prefer the overload with the four parts.</summary>
    public DataFormatException()
    {
    }

    /// <param name="message">The whole message; it starts with the file name.</param>
    public DataFormatException(string message) : base(message)
    {
    }

    /// <param name="message">The whole message; it starts with the file name.</param>
    /// <param name="innerException">The error below it.</param>
    public DataFormatException(string message, Exception innerException) : base(message, innerException)
    {
    }

    /// <param name="file">The file, as the user named it.</param>
    /// <param name="expected">What a good file has at this place.</param>
    /// <param name="got">What this file has.</param>
    /// <param name="remedy">What to do about it.</param>
    /// <param name="innerException">The error below it, if any.</param>
    public DataFormatException(string file, string expected, string got, string remedy, Exception? innerException = null)
        : base($"{file}: expected {Line(expected)}, got {Line(got)}; {remedy}.", innerException!)
    {
    }

    /// <summary>The error of a file that contradicts itself: a wrong checksum, length or header.</summary>
    internal static DataFormatException Corrupt(string file, string expected, string got, Exception? innerException = null) =>
        new(file, expected, got, "the file is cut or corrupted: copy or write it again", innerException);

    /// <summary>
    /// Text that may come from a file, as part of one line: without control characters, which could steer a terminal, and not endless.
    /// </summary>
    private static string Line(string text)
    {
        string start = text.Length <= LongestPart ? text : text[..LongestPart] + "...";
        return string.Concat(start.Select(c => char.IsControl(c) ? '?' : c));
    }
}
