using Curvature.Objectives;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tests.Reference;

/// <summary>Ranks that are threads of this process and meet at a barrier: the logic of several ranks without MPI, counted.</summary>
internal sealed class ThreadRanks : IRanks
{
    private readonly Room _room;

    private ThreadRanks(Room room, int rank) => (_room, Rank) = (room, rank);

    public int Rank { get; }

    public int Count => _room.Slots.Length;

    /// <summary>The sizes of the sums that this rank took part in, in order.</summary>
    public List<long> Sums { get; } = [];

    /// <summary>The sizes of the sums for one rank that this rank took part in, and for which.</summary>
    public List<(long Size, int To)> SumsTo { get; } = [];

    /// <summary>Runs a program on every rank; the first error ends all and is thrown.</summary>
    public static T[] Run<T>(int count, Func<ThreadRanks, T> program)
    {
        (T?[] results, Exception?[] errors) = Try(count, program);
        Exception? error = errors.FirstOrDefault(e => e is not (null or OperationCanceledException)) ?? errors.FirstOrDefault(e => e is not null);
        return error is null ? [.. results.Select(result => result!)] : throw new InvalidOperationException("A rank failed: " + error, error);
    }

    /// <summary>Runs a program on every rank and gives what each returned or threw.</summary>
    public static (T?[] Results, Exception?[] Errors) Try<T>(int count, Func<ThreadRanks, T> program)
    {
        using Room room = new(count);
        T?[] results = new T?[count];
        Exception?[] errors = new Exception?[count];
        Thread[] threads = [.. Enumerable.Range(0, count).Select(rank => new Thread(() =>
        {
            try
            {
                using DisposeScope scope = NewDisposeScope();
                results[rank] = program(new ThreadRanks(room, rank));
            }
            catch (Exception error)
            {
                errors[rank] = error;
            }

            room.Leave();
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        return (results, errors);
    }

    public void Sum(Tensor values)
    {
        Sums.Add(values.numel());
        using DisposeScope scope = NewDisposeScope();
        values.detach().copy_(Summed(values));
    }

    /// <remarks>The others get NaN: what they hold means nothing.</remarks>
    public void SumTo(Tensor values, int to)
    {
        SumsTo.Add((values.numel(), to));
        using DisposeScope scope = NewDisposeScope();
        Tensor sum = Summed(values);
        values.detach().copy_(Rank == to ? sum : sum.fill_(double.NaN));
    }

    public void Barrier() => Meet();

    private Tensor Summed(Tensor values)
    {
        using IDisposable noGrad = no_grad();
        _room.Slots[Rank] = values.detach().clone();
        Meet();
        Tensor sum = _room.Slots[0]!.clone();
        for (int rank = 1; rank < Count; rank++)
        {
            sum.add_(_room.Slots[rank]!);
        }

        Meet();
        return sum;
    }

    private void Meet()
    {
        if (!_room.Barrier.SignalAndWait(TimeSpan.FromMinutes(2), _room.Left.Token))
        {
            throw new TimeoutException($"Rank {Rank} waits for the others.");
        }
    }

    private sealed class Room(int count) : IDisposable
    {
        public Tensor?[] Slots { get; } = new Tensor?[count];

        public Barrier Barrier { get; } = new(count);

        /// <summary>Cancelled soon after a rank has left: who then waits for it waits in vain.</summary>
        public CancellationTokenSource Left { get; } = new();

        public void Leave() => Left.CancelAfter(TimeSpan.FromSeconds(2));

        public void Dispose()
        {
            Barrier.Dispose();
            Left.Dispose();
        }
    }
}
