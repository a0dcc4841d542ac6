using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>What ranks tell each other, made of <see cref="IRanks.Sum(Tensor)"/> alone. Collective, all of it: every rank calls, in the same order.</summary>
public static class RankExchange
{
    /// <summary>Rank 0's number on every rank: for what must be decided once, as anything that looks at a clock or at free memory.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="value">Looked at on rank 0.</param>
    public static double FromFirst(this IRanks ranks, double value) => ranks.Count == 1 ? value : ranks.Gather(value)[0];

    /// <summary>Each rank's number, by rank, on every rank.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="values">As many on each.</param>
    /// <returns>Those of rank 0, then those of rank 1 and so on.</returns>
    public static double[] Gather(this IRanks ranks, params ReadOnlySpan<double> values)
    {
        if (ranks.Count == 1)
        {
            return values.ToArray();
        }

        using DisposeScope scope = NewDisposeScope();
        double[] all = new double[ranks.Count * values.Length];
        values.CopyTo(all.AsSpan(ranks.Rank * values.Length));
        Tensor sum = tensor(all);
        ranks.Sum(sum);
        return sum.data<double>().ToArray();
    }

    /// <summary>One rank's text on every rank.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="from">Whose.</param>
    /// <param name="text">Looked at on that rank.</param>
    public static string TextFrom(this IRanks ranks, int from, string? text)
    {
        if (ranks.Count == 1)
        {
            return text ?? "";
        }

        using DisposeScope scope = NewDisposeScope();
        byte[] bytes = ranks.Rank == from ? Encoding.UTF8.GetBytes(text ?? "") : [];
        long length = (long)ranks.Sum(bytes.Length);
        if (length == 0)
        {
            return "";
        }

        Tensor codes = tensor(ranks.Rank == from ? [.. bytes.Select(b => (double)b)] : new double[length]);
        ranks.Sum(codes);
        return Encoding.UTF8.GetString([.. codes.data<double>().ToArray().Select(code => (byte)code)]);
    }
}
