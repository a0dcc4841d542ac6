namespace Curvature.Cli.CommandLine;

/// <summary>What somebody may have meant who wrote a word that is none.</summary>
internal static class Spelling
{
    /// <summary>The word that takes the fewest letters put in, left out or changed: two at most, and at most a third of its letters. Null where none is near.</summary>
    /// <param name="written">What was written.</param>
    /// <param name="words">What there is.</param>
    public static string? Nearest(string written, IEnumerable<string> words) =>
        words.Select(word => (Word: word, Distance: Distance(written, word))).Where(pair => pair.Distance <= Math.Min(2, pair.Word.Length / 3)).OrderBy(pair => pair.Distance).FirstOrDefault().Word;

    /// <summary>Levenshtein's distance (1966, Binary codes capable of correcting deletions, insertions and reversals), row by row.</summary>
    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0]++;
            for (int j = 1; j <= b.Length; j++)
            {
                int changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(changed, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}
