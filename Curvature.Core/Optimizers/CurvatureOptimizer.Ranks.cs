using System.Security.Cryptography;
using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <content>
/// Several ranks: each evaluates its own part of the step's batch, as if the parts of all ranks were those of one process, and everything after the sums happens alike on all of them. A rank whose part fails still takes part in
/// the sum of the gradients, and says so in it, after which all ranks tell each other what went wrong.
/// </content>
public abstract partial class CurvatureOptimizer<TOptions>
{
    private const int CompareInterval = 100; // steps from one comparison of the parameters' bits to the next: a checksum takes a few milliseconds a million entries
    private bool _began, _isAlike;
    private long _arrivals; // of states, up to the last step

    /// <inheritdoc/>
    /// <exception cref="CurvatureException">Set after a step.</exception>
    public IRanks Ranks
    {
        get;
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            if (_began)
            {
                throw new CurvatureException($"{GetType().Name} has made a step: give it its ranks before the first.");
            }

            _states.ForEach(state => state.RequireWhole(value)); // before anything is divided
            field = value;
            Divide();
        }
    } = OneRank.Instance;

    /// <inheritdoc/>
    /// <exception cref="CurvatureException">Not above 0.</exception>
    public double? ShardTerms
    {
        get;
        set => field = value is null or > 0 && double.IsFinite(value ?? 1) ? value : throw new CurvatureException(FormattableString.Invariant($"A shard's terms are a finite number above 0, or null; got {value}."));
    }

    /// <inheritdoc/>
    public virtual Reduction LossReduction { get; set; }

    /// <summary>The loss of this step, on a rank without a part of the batch too; null where it is a function alone.</summary>
    private protected ICurvatureLoss? Criterion { get; private set; }

    /// <summary>What a loss of this rank that is a function alone counts in the step's.</summary>
    private protected double ShardWeight { get; private set; } = 1;

    /// <summary>The ranks have been set, or parameters were added: what is divided among them is so from now on.</summary>
    private protected virtual void Divide()
    {
    }

    /// <summary>Whether a state was loaded, or moved, that no step has taken up yet: it is to be the same on all ranks, and to take it up they may work together.</summary>
    private bool IsRestored => Arrivals != _arrivals;

    private long Arrivals => _states.Sum(state => state.Arrivals);

    /// <summary>
    /// Adds up over <see cref="Ranks"/> what the parts of the batch have brought beside their gradients; called with several ranks alone, by all of them in the same order, where no part has failed. What a method gathers from
    /// the data must be summed here, or the ranks drift apart.
    /// </summary>
    protected virtual void SumOverRanks()
    {
    }

    /// <summary>Does this rank's part; with several ranks an error is returned, to be shared.</summary>
    private protected Exception? Alone(Action part)
    {
        if (Ranks.Count > 1)
        {
            return RankErrors.Caught(part);
        }

        part();
        return null;
    }

    /// <summary>Counts this rank's losses that are functions alone; what each counts in the step's loss is then known.</summary>
    private void WeighFunctions(Func<int> count)
    {
        (_began, Criterion, ShardWeight) = (true, null, 1);
        int own = 0;
        (double terms, _, double told) = Count(() => own = count(), () => own == 0 ? (0, 0, 0) : (ShardTerms ?? 1, 0, ShardTerms is null ? 1 : -1));
        if (Ranks.Count == 1)
        {
            return;
        }

        if (double.IsNaN(told))
        {
            throw new CurvatureException($"Some ranks give {nameof(ShardTerms)} and others do not: give it on each rank that has a part of the batch, or on none.");
        }

        ShardWeight = LossReduction == Reduction.Sum ? 1 : (ShardTerms ?? 1) / terms;
    }

    /// <summary>Counts this rank's rows and terms among those of all. Collective with several ranks: a few numbers of each.</summary>
    /// <param name="parts">How many parts there are here; anything may go wrong in it.</param>
    /// <param name="own">Terms, rows, and a number of which all that are not 0 should have one sign.</param>
    /// <returns>The terms of all ranks, the rows of those before this one, and NaN where signs differ.</returns>
    private (double Terms, long FirstRow, double Told) Count(Func<int> parts, Func<(double Terms, long Rows, int Told)> own)
    {
        (int count, double terms, long rows, int told) = (0, 0, 0, 0);
        if (Ranks.Count == 1)
        {
            parts();
            return (own().Terms, 0, 0);
        }

        Exception? error = RankErrors.Caught(() =>
        {
            count = parts();
            (terms, rows, told) = own();
        });
        double rate = _parameter_groups.Sum(group => group.LearningRate);
        double bits = 0;
        error ??= RankErrors.Caught(() => bits = (Steps + SkippedSteps) % CompareInterval == 0 ? Checksum() : 0);
        double[][] ranks = RankCall.Begin(
            Ranks, RankCall.Step, error is null ? 0 : 1, count, terms, rows, told, Steps, SkippedSteps, rate, _parameters.Count, _parameters.Sum(p => p.numel()), _isAlike ? 0 : 1, bits, (int)LossReduction, IsRestored ? 1 : 0);
        if (ranks.Any(rank => rank[0] != 0))
        {
            RankErrors.Share(Ranks, error);
        }

        RequireAlike(ranks);
        return ranks.All(rank => rank[1] == 0)
            ? throw new CurvatureException($"{GetType().Name} got no parts of a batch to step on, on none of the {Ranks.Count} ranks.")
            : (ranks.Sum(rank => rank[2]), (long)ranks.Take(Ranks.Rank).Sum(rank => rank[3]), ranks.Any(rank => rank[4] > 0) && ranks.Any(rank => rank[4] < 0) ? double.NaN : 0);
    }

    /// <summary>Refuses ranks that have come apart: it compares counters, learning rates and sizes at each step, the parameters at the first, after a group was added, and where the checksums of their bits differ.</summary>
    private void RequireAlike(double[][] ranks)
    {
        int Odd(Range numbers) => Array.FindIndex(ranks, rank => !rank.AsSpan()[numbers].SequenceEqual(ranks[0].AsSpan()[numbers]));
        if (Odd(5..8) is > 0 and int other)
        {
            throw new CurvatureException(FormattableString.Invariant(
                $"Ranks take the same steps: rank {other} has taken {ranks[other][5]} and skipped {ranks[other][6]} at learning rates of {ranks[other][7]} in sum, and rank 0 {ranks[0][5]} and {ranks[0][6]} at {ranks[0][7]}. ")
                + "Load the same state on every rank, and let schedules look at what Step returns, which is the loss of all ranks.");
        }

        if (Odd(8..10) is > 0 and int odd)
        {
            throw new CurvatureException($"Rank {odd} has {ranks[odd][8]} parameters of {ranks[odd][9]} entries, and rank 0 {ranks[0][8]} of {ranks[0][9]}: make the same model on every rank, and add the same groups.");
        }

        if (Odd(12..13) is > 0 and int way)
        {
            throw new CurvatureException($"Rank {way} has {nameof(LossReduction)}.{(Reduction)ranks[way][12]}, and rank 0 {(Reduction)ranks[0][12]}: give the same on every rank.");
        }

        if (Odd(13..14) is > 0 and int restored)
        {
            (int with, int without) = ranks[0][13] > 0 ? (0, restored) : (restored, 0);
            throw new CurvatureException($"On rank {with} a state was loaded, or moved to a device, since the last step, and on rank {without} none was: do so on every rank.");
        }

        if (ranks.All(rank => rank[10] == 0) && Odd(11..12) < 0)
        {
            return;
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        long[] sizes = [.. _parameters.Select(p => p.numel())];
        Tensor own = Flatten(_parameters), first = own.clone();
        Ranks.Broadcast(first);
        double[] differing = Ranks.Gather(Enumerable.Range(0, sizes.Length).FirstOrDefault(i => !Part(own, sizes, i).Equals(Part(first, sizes, i)), -1));
        if (Array.FindIndex(differing, i => i >= 0) is > 0 and int rank)
        {
            string which = $"Parameter {differing[rank]} of {GetType().Name}, [{string.Join(", ", _parameters[(int)differing[rank]].shape)}],";
            throw new CurvatureException(ranks.Any(own => own[10] != 0)
                ? $"{which} is another on rank {rank} than on rank 0: begin with the same parameters, from one seed, one file or by ranks.Broadcast."
                : $"{which} has become another on rank {rank} than on rank 0 by step {Steps}: what sets parameters beside the optimizer must do so on every rank, and processors of different kinds may round differently. Load the same parameters and state on every rank.");
        }

        _isAlike = true;
    }

    /// <summary>48 bits of the SHA-256 of the parameters' bits.</summary>
    private double Checksum()
    {
        using IDisposable noGrad = no_grad();
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (Tensor parameter in _parameters.Where(p => p.numel() > 0))
        {
            using DisposeScope scope = NewDisposeScope();
            hash.AppendData(parameter.detach().cpu().contiguous().bytes);
        }

        return BitConverter.ToInt64(hash.GetHashAndReset()) & ((1L << 48) - 1);
    }

    /// <summary>The gradient and the loss of all ranks: one sum of P numbers, one more for each parameter that tells whether there is a gradient, and two.</summary>
    /// <param name="gradient">Of this rank's part; becomes that of all.</param>
    /// <param name="loss">Of this rank's part; null where it has none.</param>
    /// <param name="error">What has gone wrong here.</param>
    /// <returns>The loss, in the parameters' dtype.</returns>
    private Tensor SumGradient(Tensor?[] gradient, Tensor? loss, Exception? error)
    {
        int count = gradient.Length;
        long[] sizes = [.. _parameters.Select(p => p.numel())];
        long total = sizes.Sum();
        Tensor all = zeros(total + count + 2, _parameters[0].dtype, _parameters[0].device);
        if (error is null)
        {
            double[] told = [.. gradient.Select(g => g is null ? 0.0 : 1), 0, 0];
            all.narrow(0, total, count + 2).copy_(tensor(told));
            for (int i = 0; i < count; i++)
            {
                _ = gradient[i] is { } g ? Part(all, sizes, i).copy_(g.reshape(-1)) : null;
            }

            _ = loss is null ? null : all.narrow(0, total + count, 1).copy_(loss.detach().reshape(1));
        }
        else
        {
            all.narrow(0, total + count + 1, 1).fill_(1);
        }

        Ranks.Sum(all);
        double[] flags = all.narrow(0, total, count + 2).to(ScalarType.Float64).cpu().data<double>().ToArray();
        if (flags[^1] > 0)
        {
            RankErrors.Share(Ranks, error);
        }

        for (int i = 0; i < count; i++)
        {
            gradient[i] = flags[i] > 0 ? Part(all, sizes, i).view(_parameters[i].shape) : null;
        }

        return all.select(0, total + count).clone();
    }

    /// <summary>The loss of all ranks at the parameters as they are now.</summary>
    private Tensor AllAgain(IReadOnlyList<Func<LossPass>> parts, Tensor drawn)
    {
        Tensor? own = null;
        Ranks.Together(() => own = Again(parts, drawn)?.to(_parameters[0].dtype, copy: true));
        own ??= zeros([], _parameters[0].dtype, _parameters[0].device);
        Ranks.Sum(own);
        return own;
    }

    /// <summary>The entries of tensors one after the other.</summary>
    private protected static Tensor Flatten(IEnumerable<Tensor> tensors) => ParameterSpace.Join([.. tensors.Select(t => t.detach().reshape(-1))]);

    /// <summary>The i-th stretch of a vector, a view.</summary>
    private protected static Tensor Part(Tensor vector, long[] sizes, int i) => vector.narrow(0, sizes[..i].Sum(), sizes[i]);
}
