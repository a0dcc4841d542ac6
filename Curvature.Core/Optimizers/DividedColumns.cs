using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// A matrix whose columns ranks hold between them, in the file of a state: there it is whole, as TorchSharp writes a tensor (a flag, then element type, number of sizes and sizes as LEB128, then the elements by rows). It is written by
/// all ranks together, some rows at a time, and read by each rank for itself, which keeps its own columns: nowhere is more of it in memory than those and a few rows.
/// </summary>
internal static class DividedColumns
{
    /// <summary>Elements that are in memory beside a rank's own.</summary>
    private const long Buffer = 1 << 22;

    /// <summary>A rank's columns of a matrix that is whole, a copy in the caller's scope.</summary>
    /// <param name="whole">The matrix, <c>[m, P]</c>.</param>
    /// <param name="ranks">The ranks.</param>
    public static Tensor Of(Tensor whole, IRanks ranks)
    {
        (long first, long own) = Share(whole.shape[1], ranks);
        using IDisposable noGrad = no_grad();
        using Tensor part = whole.narrow(1, first, own);
        return part.clone();
    }

    /// <summary>Writes the matrix to every rank's writer; collective.</summary>
    /// <param name="put">Writes something to this rank's writer, and lets nothing be thrown: the other ranks wait for the columns here.</param>
    /// <param name="own">This rank's columns, <c>[m, own]</c>.</param>
    /// <param name="ranks">The ranks.</param>
    public static void Write(Action<Action<BinaryWriter>> put, Tensor own, IRanks ranks)
    {
        using IDisposable noGrad = no_grad();
        long[] widths = [.. ranks.Gather(own.shape[1]).Select(width => (long)width)];
        long rows = own.shape[0], columns = widths.Sum();
        put(writer => writer.Write(true));
        foreach (long number in (long[])[(long)own.dtype, 2, rows, columns])
        {
            put(writer => writer.Write7BitEncodedInt64(number));
        }

        long together = Math.Max(1, Buffer / columns);
        for (long row = 0; row < rows; row += together)
        {
            using DisposeScope scope = NewDisposeScope();
            long count = Math.Min(together, rows - row), first = 0;
            Tensor? all = count > 1 ? empty([count, columns], own.dtype) : null;
            for (int rank = 0; rank < ranks.Count; rank++)
            {
                Tensor part = rank == ranks.Rank ? own.narrow(0, row, count).cpu().clone() : empty([count, widths[rank]], own.dtype);
                ranks.Broadcast(part, rank);
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

    /// <summary>Reads a rank's columns.</summary>
    /// <param name="reader">At the matrix.</param>
    /// <param name="ranks">The ranks: as many as there are now.</param>
    /// <param name="device">Where the columns go.</param>
    /// <returns>This rank's, as even a share as can be, in the caller's scope; null where the file has none.</returns>
    /// <exception cref="CurvatureException">The file is damaged.</exception>
    public static Tensor? Read(BinaryReader reader, IRanks ranks, Device device)
    {
        if (!reader.ReadBoolean())
        {
            return null;
        }

        var dtype = (ScalarType)reader.Read7BitEncodedInt64();
        long sizes = reader.Read7BitEncodedInt64(), rows = reader.Read7BitEncodedInt64(), columns = reader.Read7BitEncodedInt64();
        if (sizes != 2 || dtype is not (ScalarType.Float32 or ScalarType.Float64 or ScalarType.BFloat16) || rows is < 1 or > int.MaxValue || columns is < 1 or > long.MaxValue / 64)
        {
            throw new CurvatureException($"The optimizer's state is damaged: expected a matrix of floats where there are {sizes} sizes of {dtype}.");
        }

        (long first, long own) = Share(columns, ranks);
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

    private static (long First, long Own) Share(long columns, IRanks ranks) =>
        (ranks.Rank * columns / ranks.Count, ((ranks.Rank + 1) * columns / ranks.Count) - (ranks.Rank * columns / ranks.Count));

    private static void Skip(BinaryReader reader, long bytes, byte[] into)
    {
        for (; bytes > 0; bytes -= Math.Min(bytes, into.Length))
        {
            reader.BaseStream.ReadExactly(into.AsSpan(0, (int)Math.Min(bytes, into.Length)));
        }
    }
}
