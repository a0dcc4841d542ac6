using Xunit;

namespace Curvature.Tests;

/// <summary>
/// Holds text against a stored file that a person has looked at. What differs is written beside it as <c>*.received.*</c>; the stored file
/// is never written. To approve: look at the received file, then rename it.
/// </summary>
internal static class Approved
{
    /// <param name="actual">The text that was produced.</param>
    /// <param name="path">The stored file, relative to the repository's root.</param>
    public static void Matches(string actual, string path)
    {
        string stored = Repository.File(path);
        string received = Path.ChangeExtension(stored, ".received" + Path.GetExtension(stored));
        string expected = File.Exists(stored) ? File.ReadAllText(stored) : "";
        if (actual == expected)
        {
            File.Delete(received);
            return;
        }

        File.WriteAllText(received, actual);
        int same = actual.Zip(expected).TakeWhile(pair => pair.First == pair.Second).Count();
        Assert.Fail($"{path} differs from character {same} on: {Excerpt(expected, same)} became {Excerpt(actual, same)}. See {Path.GetFileName(received)}.");
    }

    private static string Excerpt(string text, int from)
    {
        const int Length = 60;
        return from >= text.Length ? "(the end)" : $"'{text.Substring(from, Math.Min(Length, text.Length - from))}'";
    }
}
