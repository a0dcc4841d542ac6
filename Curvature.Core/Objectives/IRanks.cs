using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Objectives;

/// <summary>
/// The processes that share the data of one computation. Each holds a shard of the batches and a copy of the model with the same parameters; whatever is a sum over the data is summed over all of them, once, and
/// everything else (vectors, probes, Krylov bases, decisions) happens alike on each.
/// <para>
/// Every rank makes the same calls in the same order: a collective that one rank leaves out keeps the others waiting. <see cref="OneRank"/> is the process on its own; the ranks of MPI are
/// <c>Curvature.Distributed.Communicator</c>.
/// </para>
/// </summary>
public interface IRanks
{
    /// <summary>This process among them, from 0.</summary>
    int Rank { get; }

    /// <summary>How many there are, at least 1.</summary>
    int Count { get; }

    /// <summary>How many of them share this machine's memory and cores, this one among them; all of them (default) where that is not known.</summary>
    int OnThisMachine => Count;

    /// <summary>Replaces a tensor, entry by entry, by its sum over all ranks: the same bits on each, and in a repeated run.</summary>
    /// <param name="values">Contiguous, of a floating dtype or int64, of the same shape and dtype on every rank; without graph.</param>
    void Sum(Tensor values);

    /// <summary>Replaces a tensor on one rank, entry by entry, by its sum over all ranks, the same bits in a repeated run; on the others it may hold anything afterwards. By way of a sum for all (default) where there is nothing better.</summary>
    /// <param name="values">As <see cref="Sum(Tensor)"/> takes them.</param>
    /// <param name="to">Whose.</param>
    void SumTo(Tensor values, int to) => Sum(values);

    /// <summary>The sum of a number over all ranks.</summary>
    double Sum(double value)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor sum = tensor(new[] { value });
        Sum(sum);
        return sum[0].ToDouble();
    }

    /// <summary>Replaces a tensor on every rank by one rank's; by way of a sum (default) where there is nothing better.</summary>
    /// <param name="values">Contiguous, of a floating dtype or int64, of the same shape and dtype on every rank; without graph. Looked at on that rank.</param>
    /// <param name="from">Whose.</param>
    void Broadcast(Tensor values, int from = 0)
    {
        if (Rank != from)
        {
            using IDisposable noGrad = no_grad();
            values.fill_(0);
        }

        Sum(values);
    }

    /// <summary>Returns once every rank has called it.</summary>
    void Barrier();
}
