using System.Text.Json;
using Curvature.Data;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <content>
/// The data of several ranks: each goes over its own batches, and what is a sum over the data is summed over the ranks once. A rank whose part fails still takes part in the sum, with NaN, after which all ranks tell each
/// other what went wrong: no further message is needed where nothing did.
/// </content>
public abstract partial class Objective
{
    private DataShare? _share;

    /// <value>
    /// Those who share the data (default: this process alone, <see cref="OneRank"/>). With several, the batches are this rank's shard, none or all of them empty but one, and values, gradients and operators are those of all shards together,
    /// the same on each rank. Every rank then makes the same calls in the same order. What needs all samples in one place refuses more than one rank.
    /// </value>
    public IRanks Ranks { get; init; } = OneRank.Instance;

    /// <summary>Refuses several ranks: for what is no sum over the data.</summary>
    /// <param name="wanted">What needs all samples, e.g. <c>A Jacobian</c>.</param>
    /// <param name="why">Why, as a clause.</param>
    /// <exception cref="CurvatureException">There are several ranks.</exception>
    internal Objective RequireOneRank(string wanted, string why = "it is about single samples or batches and no sum over them") => Ranks.Count == 1
        ? this
        : throw new CurvatureException(
            $"{wanted} needs all samples in one place: {why}. This objective's data is spread over {Ranks.Count} ranks. Make an objective of all data without ranks for it.");

    /// <summary>The batches of this rank in one pass, with cancellation and state preservation; for callers that sum over the ranks.</summary>
    internal IEnumerable<ObjectiveBatch> PassOfShard(CancellationToken cancellation)
    {
        using Undisturbed state = new(this);
        double terms = 0;
        foreach (ObjectiveBatch batch in OutsideScope(Batches()))
        {
            cancellation.ThrowIfCancellationRequested();
            terms += batch.Terms;
            if (batch.Terms != 0)
            {
                yield return batch;
            }
        }

        if (Ranks.Count == 1 && !(terms > 0))
        {
            throw new CurvatureException(NoTerms);
        }
    }

    /// <summary>What this rank's data is of the whole. Collective when first asked for: counts batches, terms and rows without evaluating the model.</summary>
    /// <exception cref="CurvatureException">No rank has loss terms.</exception>
    internal DataShare Share(CancellationToken cancellation)
    {
        if (_share is not null)
        {
            return _share;
        }

        (double terms, long rows) = (0, 0);
        Exception? error = Caught(() =>
        {
            using Undisturbed state = new(this);
            foreach (ObjectiveBatch batch in OutsideScope(Batches()))
            {
                cancellation.ThrowIfCancellationRequested();
                terms += batch.Terms;
                rows += batch.Rows;
            }
        });
        double[][] ranks = [.. Ranks.Gather(error is null ? terms : double.NaN, rows).Chunk(2)];
        if (ranks.Any(rank => double.IsNaN(rank[0])))
        {
            RankErrors.Share(Ranks, error);
        }

        double all = ranks.Sum(rank => rank[0]);
        return all > 0
            ? _share = new DataShare(all, (long)ranks.Take(Ranks.Rank).Sum(rank => rank[1]), Array.FindIndex(ranks, rank => rank[0] > 0))
            : throw new CurvatureException(NoTerms);
    }

    /// <summary>Forgets the share: the batches have changed.</summary>
    internal void Recount() => _share = null;

    /// <summary>The place in the whole data of a batch's first row, for draws that do not depend on how the data is divided.</summary>
    internal long RowOf(ObjectiveBatch batch) => (Ranks.Count == 1 ? 0 : _share!.FirstRow) + batch.FirstRow;

    /// <summary>The loss terms that a mean is over: those counted in this pass, or with several ranks all of theirs.</summary>
    /// <param name="counted">Those of this rank's pass.</param>
    internal double AllTerms(double counted) => Ranks.Count == 1 ? counted : _share!.Terms;

    /// <summary>Does this rank's part of something and makes sure that all ranks have done theirs. Collective: one number, beside what <see cref="Share"/> takes.</summary>
    /// <param name="part">Over this rank's batches; no collective in it.</param>
    /// <param name="cancellation">Of the count.</param>
    internal void Together(Action part, CancellationToken cancellation)
    {
        if (Ranks.Count == 1)
        {
            part();
            return;
        }

        Share(cancellation);
        Exception? error = Caught(part);
        if (double.IsNaN(Ranks.Sum(error is null ? 0 : double.NaN)))
        {
            RankErrors.Share(Ranks, error);
        }
    }

    /// <summary>What the first rank with data finds, on every rank: for questions to a few rows, which another rank might not have. Collective.</summary>
    internal string?[] FromHolder(Func<string?[]> find, CancellationToken cancellation)
    {
        if (Ranks.Count == 1)
        {
            return find();
        }

        int holder = Share(cancellation).Holder;
        string?[] found = [];
        Together(() => found = Ranks.Rank == holder ? find() : found, cancellation);
        return JsonSerializer.Deserialize<string?[]>(Ranks.TextFrom(holder, JsonSerializer.Serialize(found)))!;
    }

    /// <summary>The loss terms of all data; collective when first asked for, and a pass without evaluations where there is one rank.</summary>
    internal double TermsOfAll(CancellationToken cancellation) => Ranks.Count == 1 ? PassOfShard(cancellation).Sum(batch => batch.Terms) : Share(cancellation).Terms;

    /// <summary>This rank's part of a number, summed over the ranks. Collective: one number.</summary>
    internal double SumOverRanks(Func<double> part, CancellationToken cancellation)
    {
        if (Ranks.Count == 1)
        {
            return part();
        }

        Share(cancellation);
        double own = double.NaN;
        Exception? error = Caught(() => own = part());
        double sum = Ranks.Sum(own);
        if (!double.IsFinite(sum))
        {
            RankErrors.Share(Ranks, error);
        }

        return sum;
    }

    /// <summary>This rank's part of a tensor, summed over the ranks. Collective: one tensor, whatever goes well.</summary>
    /// <param name="part">Over this rank's batches, a new contiguous tensor in the current scope; no collective in it.</param>
    /// <param name="shape">Of the part.</param>
    /// <param name="cancellation">Of the count.</param>
    /// <param name="dtype">Of the part; null: the parameters'.</param>
    internal Tensor SumOverRanks(Func<Tensor> part, long[] shape, CancellationToken cancellation, ScalarType? dtype = null)
    {
        if (Ranks.Count == 1)
        {
            return part();
        }

        Share(cancellation);
        Tensor? own = null;
        Exception? error = Caught(() => own = part());
        using IDisposable noGrad = no_grad();
        own ??= full(shape, double.NaN, dtype ?? Parameters.DType, Parameters.Device);
        Ranks.Sum(own);
        if (!Finite.Everywhere(own))
        {
            RankErrors.Share(Ranks, error);
        }

        return own;
    }

    /// <summary>Whether there is anything to look at before the first pass: a rank may have no data.</summary>
    private bool HasTerms() => Ranks.Count == 1 || OutsideScope(Batches()).Any(batch => batch.Terms != 0);

    private static Exception? Caught(Action part) => RankErrors.Caught(part);
}
