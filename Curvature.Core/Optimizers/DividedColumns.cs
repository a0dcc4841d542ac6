using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>A matrix <c>[m, P]</c> whose columns ranks hold between them, as even shares as can be.</summary>
/// <param name="Name">The matrix.</param>
/// <param name="Ranks">The ranks.</param>
internal sealed record DividedColumns(string Name, IRanks Ranks) : DividedTensors(Ranks)
{
    /// <inheritdoc/>
    public override bool Holds(string name) => name == Name;

    /// <inheritdoc/>
    public override IEnumerable<string> Names(IReadOnlyDictionary<string, Tensor> own) => own.Keys.Where(Holds); // every rank has its columns

    /// <inheritdoc/>
    public override Tensor Of(Tensor whole)
    {
        (long first, long own) = Share(whole.shape[1]);
        using IDisposable noGrad = no_grad();
        using Tensor part = whole.narrow(1, first, own);
        return part.clone();
    }

    /// <inheritdoc/>
    public override void Write(Action<Action<BinaryWriter>> put, string name, Tensor? own)
    {
        using IDisposable noGrad = no_grad();
        long[] widths = [.. Ranks.Gather(own!.shape[1]).Select(width => (long)width)];
        long rows = own.shape[0], columns = widths.Sum();
        WriteHeader(put, own.dtype, [rows, columns]);
        long together = Math.Max(1, Buffer / columns);
        for (long row = 0; row < rows; row += together)
        {
            using DisposeScope scope = NewDisposeScope();
            long count = Math.Min(together, rows - row), first = 0;
            Tensor? all = count > 1 ? empty([count, columns], own.dtype) : null;
            for (int rank = 0; rank < Ranks.Count; rank++)
            {
                Tensor part = rank == Ranks.Rank ? own.narrow(0, row, count).cpu().clone() : empty([count, widths[rank]], own.dtype);
                Ranks.Broadcast(part, rank);
                if (all is null)
                {
                    put(writer => writer.Write(part.bytes)); // of one row it is the next piece
                }

                all?.narrow(1, first, widths[rank]).copy_(part);
                first += widths[rank];
            }

            if (all is not null)
            {
                put(writer => writer.Write(all.bytes));
            }
        }
    }

    /// <inheritdoc/>
    public override Tensor? Read(BinaryReader reader, Device device)
    {
        if (ReadHeader(reader) is not ({ } dtype, { } shape))
        {
            return null;
        }

        if (shape is not [>= 1 and <= int.MaxValue and var rows, >= 1 and var columns])
        {
            throw new CurvatureException($"The optimizer's state is damaged: expected a matrix where there are the sizes {string.Join(", ", shape)}.");
        }

        (long first, long own) = Share(columns);
        long size = dtype.ElementSize();
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        DeviceMemory.RequireVectors(rows, own, dtype, CPU, "Take fewer gradients, or more ranks on other machines.", "gradient");
        Tensor all = empty([rows, own], dtype);
        byte[] passed = new byte[Math.Min(Buffer, columns * size)];
        for (long row = 0; row < rows; row++)
        {
            using DisposeScope inner = NewDisposeScope();
            Skip(reader, first * size, passed);
            reader.BaseStream.ReadExactly(all.select(0, row).bytes);
            Skip(reader, (columns - first - own) * size, passed);
        }

        return all.to(device).MoveToOuterDisposeScope();
    }

    private (long First, long Own) Share(long columns) =>
        (Ranks.Rank * columns / Ranks.Count, ((Ranks.Rank + 1) * columns / Ranks.Count) - (Ranks.Rank * columns / Ranks.Count));
}
