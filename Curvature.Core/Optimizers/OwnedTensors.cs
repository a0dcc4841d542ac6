using System.Text.Json;
using Curvature.Objectives;
using Curvature.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>Tensors of a parameter's state that one rank has, whole, and the others have not.</summary>
/// <param name="Which">Whether the tensor of a name is one of them.</param>
/// <param name="Owner">Whose they are; asked when it is needed.</param>
/// <param name="Ranks">The ranks.</param>
internal sealed record OwnedTensors(Func<string, bool> Which, Func<int> Owner, IRanks Ranks) : DividedTensors(Ranks)
{
    private Dictionary<string, (ScalarType DType, long[] Shape)> _announced = [];

    private bool IsOwn => Owner() == Ranks.Rank;

    /// <inheritdoc/>
    public override bool Holds(string name) => Which(name);

    /// <inheritdoc/>
    public override IEnumerable<string> Names(IReadOnlyDictionary<string, Tensor> own)
    {
        string? text = IsOwn ? JsonSerializer.Serialize(own.Where(part => Holds(part.Key)).Select(part => new Announced(part.Key, part.Value.dtype, part.Value.shape))) : null;
        _announced = JsonSerializer.Deserialize<Announced[]>(Ranks.TextFrom(Owner(), text))!.ToDictionary(part => part.Name, part => (part.DType, part.Shape));
        return _announced.Keys;
    }

    /// <inheritdoc/>
    public override Tensor? Of(Tensor whole) => IsOwn ? whole.clone() : null;

    /// <inheritdoc/>
    public override void Write(Action<Action<BinaryWriter>> put, string name, Tensor? own)
    {
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        (ScalarType dtype, long[] shape) = _announced[name];
        WriteHeader(put, dtype, shape);
        WriteRows(put, IsOwn ? own : null, shape, dtype);
    }

    /// <inheritdoc/>
    public override Tensor? Read(BinaryReader reader, Device device)
    {
        if (ReadHeader(reader) is not ({ } dtype, { } shape))
        {
            return null;
        }

        long count = shape.Aggregate(1L, (size, side) => size * side), size = dtype.ElementSize();
        if (!IsOwn)
        {
            Skip(reader, count * size, new byte[Math.Min(Buffer, count * size)]);
            return null;
        }

        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        DeviceMemory.RequireVectors(1, count, dtype, CPU, "Take more ranks on other machines.", "state");
        Tensor all = empty(count, dtype);
        for (long first = 0; first < count; first += Buffer)
        {
            using Tensor piece = all.narrow(0, first, Math.Min(Buffer, count - first));
            reader.BaseStream.ReadExactly(piece.bytes);
        }

        return all.view(shape).to(device).MoveToOuterDisposeScope();
    }

    /// <summary>Writes elements by rows, some rows at a time: an inverse lies in memory by columns, and is not to be copied whole.</summary>
    private void WriteRows(Action<Action<BinaryWriter>> put, Tensor? own, ReadOnlySpan<long> shape, ScalarType dtype)
    {
        long row = 1;
        foreach (long size in shape[1..])
        {
            row *= size;
        }

        long together = Math.Max(1, Buffer / Math.Max(1, row));
        for (long first = 0; first < shape[0]; first += together)
        {
            using DisposeScope scope = NewDisposeScope();
            if (row > Buffer && shape.Length > 2)
            {
                WriteRows(put, own?.select(0, first), shape[1..], dtype);
                continue;
            }

            long count = Math.Min(together, shape[0] - first);
            Tensor piece = own is not null ? own.narrow(0, first, count).contiguous().cpu().clone().reshape(-1) : empty(count * row, dtype);
            Ranks.Broadcast(piece, Owner());
            put(writer => writer.Write(piece.bytes));
        }
    }

    /// <summary>What its owner says of a tensor before it is written.</summary>
    private sealed record Announced(string Name, ScalarType DType, long[] Shape);
}
