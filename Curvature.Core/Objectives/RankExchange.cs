using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>What ranks tell each other, made of the few calls of <see cref="IRanks"/>. Collective, all of it: every rank calls, in the same order.</summary>
public static class RankExchange
{
    /// <summary>Numbers that travel together at most; longer tensors travel as they are.</summary>
    private const long Bucket = 1 << 20;

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

    /// <summary>All ranks' numbers, by rank, of which each may have as many as it likes: those of rank 0, then those of rank 1 and so on, on every rank and to the bit.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="own">This rank's.</param>
    public static double[] Concatenate(this IRanks ranks, double[] own)
    {
        if (ranks.Count == 1)
        {
            return own;
        }

        using DisposeScope scope = NewDisposeScope();
        double[] counts = ranks.Gather(own.Length), all = new double[(int)counts.Sum()];
        if (all.Length == 0)
        {
            return all;
        }

        own.CopyTo(all, (int)counts.Take(ranks.Rank).Sum());
        Tensor sum = tensor(all);
        ranks.Sum(sum);
        return sum.data<double>().ToArray();
    }

    /// <summary>Does each rank's part of something, and throws on every rank where one has failed: the rank's own error there, its message with the rank's number elsewhere, so that none waits for one that has left.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="part">This rank's; no collective in it.</param>
    /// <exception cref="CurvatureException">Another rank's part failed; a cancellation stays one.</exception>
    public static void Together(this IRanks ranks, Action part)
    {
        if (ranks.Count == 1)
        {
            part();
            return;
        }

        RankErrors.Share(ranks, RankErrors.Caught(part));
    }

    /// <summary>Whether every rank has thrown this error, or what it was made of: then one of them is enough to tell it.</summary>
    /// <param name="error">What was caught.</param>
    public static bool IsSharedByRanks(this Exception error) => RankErrors.IsShared(error);

    /// <summary>Replaces each of some tensors by its sum over all ranks. Small ones of one dtype travel together.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="values">As <see cref="IRanks.Sum(Tensor)"/> takes them, as many on each rank, on one device.</param>
    public static void Sum(this IRanks ranks, IReadOnlyList<Tensor> values) => InBuckets(ranks, values, ranks.Sum);

    /// <summary>Replaces each of some tensors on one rank by its sum over all ranks; on the others they may hold anything afterwards. Small ones of one dtype travel together.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="values">As <see cref="IRanks.Sum(Tensor)"/> takes them, as many on each rank, on one device.</param>
    /// <param name="to">Whose.</param>
    public static void SumTo(this IRanks ranks, IReadOnlyList<Tensor> values, int to) => InBuckets(ranks, values, together => ranks.SumTo(together, to));

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

    private static void InBuckets(IRanks ranks, IReadOnlyList<Tensor> values, Action<Tensor> sum)
    {
        if (ranks.Count == 1)
        {
            return;
        }

        using IDisposable noGrad = no_grad();
        foreach (Tensor large in values.Where(v => v.numel() > Bucket))
        {
            sum(large);
        }

        foreach (Tensor[] alike in values.Where(v => v.numel() <= Bucket).GroupBy(v => v.dtype).Select(g => g.ToArray()))
        {
            for (int first = 0, next; first < alike.Length; first = next)
            {
                using DisposeScope scope = NewDisposeScope();
                long length = alike[first].numel();
                for (next = first + 1; next < alike.Length && length + alike[next].numel() <= Bucket; next++)
                {
                    length += alike[next].numel();
                }

                Tensor together = empty(length, alike[first].dtype, alike[first].device);
                Each(alike.AsSpan(first..next), together, (own, part) => part.copy_(own));
                sum(together);
                Each(alike.AsSpan(first..next), together, (own, part) => own.copy_(part));
            }
        }
    }

    private static void Each(ReadOnlySpan<Tensor> parts, Tensor together, Action<Tensor, Tensor> act)
    {
        long at = 0;
        foreach (Tensor part in parts)
        {
            act(part, together.narrow(0, at, part.numel()).view(part.shape));
            at += part.numel();
        }
    }
}
