using System.Numerics;

namespace Curvature.Quant.Planning;

/// <summary>
/// How the partial plans over one more unit came from those before it: a byte a point, and a bit for each choice and point before. The r-th point of choice
/// c came from the r-th point that its bits mark, so that no index is stored.
/// </summary>
internal sealed class FrontierStage
{
    private readonly byte[] _choice;
    private readonly ulong[][] _kept;

    /// <param name="choice">Each point's choice, in the order of the points.</param>
    /// <param name="kept">For each choice, a bit for each point before: whether the point with this choice was kept.</param>
    public FrontierStage(byte[] choice, ulong[][] kept) => (_choice, _kept) = (choice, kept);

    /// <summary>Replaces indices of points, ascending, by those of the points that they came from, and says which choices were taken.</summary>
    public void StepBack(ReadOnlySpan<int> points, Span<int> before, Span<byte> choices)
    {
        int[] rank = new int[_kept.Length];
        int[] word = new int[_kept.Length], passed = new int[_kept.Length]; // where each choice's marks have been counted up to
        int counted = 0;
        for (int i = 0; i < points.Length; i++)
        {
            ReadOnlySpan<byte> stretch = _choice.AsSpan(counted, points[i] - counted);
            for (byte c = 0; c < rank.Length; c++)
            {
                rank[c] += stretch.Count(c);
            }

            counted = points[i];
            byte choice = _choice[points[i]];
            choices[i] = choice;
            before[i] = Select(_kept[choice], rank[choice], ref word[choice], ref passed[choice]);
        }
    }

    /// <summary>The place of the mark of that rank. Ranks come ascending, so counting goes on where it stopped.</summary>
    private static int Select(ulong[] marks, int rank, ref int word, ref int passed)
    {
        int here = BitOperations.PopCount(marks[word]);
        while (passed + here <= rank)
        {
            passed += here;
            here = BitOperations.PopCount(marks[++word]);
        }

        ulong rest = marks[word];
        for (int skip = rank - passed; skip > 0; skip--)
        {
            rest &= rest - 1; // without its lowest bit
        }

        return (word * 64) + BitOperations.TrailingZeroCount(rest);
    }
}
