using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// What of a state ranks hold between them. In the file it is whole, as TorchSharp writes a tensor (a flag, then element type, number of sizes and sizes as LEB128, then the elements by rows), and as one process would have
/// written it. It is written by all ranks together, some of it at a time, and read by each rank for itself, which keeps its own: nowhere is more of it in memory than that and a few rows.
/// </summary>
/// <param name="Ranks">The ranks; one: nothing is divided.</param>
internal abstract record DividedTensors(IRanks Ranks)
{
    /// <summary>Elements that are in memory beside a rank's own.</summary>
    protected const long Buffer = 1 << 22;

    private const int MostSizes = 8;

    /// <summary>Whether the tensor of a name is divided.</summary>
    public abstract bool Holds(string name);

    /// <summary>Names of all that is divided, on whichever rank it is; collective, before the state is written.</summary>
    /// <param name="own">The state's tensors here, by name.</param>
    public abstract IEnumerable<string> Names(IReadOnlyDictionary<string, Tensor> own);

    /// <summary>This rank's part of a tensor that is whole, a copy in the caller's scope; null: none of it.</summary>
    public abstract Tensor? Of(Tensor whole);

    /// <summary>Writes a tensor to every rank's writer; collective.</summary>
    /// <param name="put">Writes something to this rank's writer, and lets nothing be thrown: the other ranks wait here.</param>
    /// <param name="name">Which one.</param>
    /// <param name="own">This rank's part of it; null: none.</param>
    public abstract void Write(Action<Action<BinaryWriter>> put, string name, Tensor? own);

    /// <summary>Reads a rank's part of a tensor.</summary>
    /// <param name="reader">At the tensor.</param>
    /// <param name="device">Where the part goes.</param>
    /// <returns>In the caller's scope; null where there is none.</returns>
    /// <exception cref="CurvatureException">The file is damaged.</exception>
    public abstract Tensor? Read(BinaryReader reader, Device device);

    /// <summary>Writes what comes before the elements.</summary>
    protected static void WriteHeader(Action<Action<BinaryWriter>> put, ScalarType dtype, long[] shape)
    {
        put(writer => writer.Write(true));
        foreach (long number in (long[])[(long)dtype, shape.Length, .. shape])
        {
            put(writer => writer.Write7BitEncodedInt64(number));
        }
    }

    /// <summary>Reads what comes before the elements; null: the file says that there are none.</summary>
    /// <exception cref="CurvatureException">The file is damaged.</exception>
    protected static (ScalarType DType, long[] Shape)? ReadHeader(BinaryReader reader)
    {
        if (!reader.ReadBoolean())
        {
            return null;
        }

        var dtype = (ScalarType)reader.Read7BitEncodedInt64();
        long count = reader.Read7BitEncodedInt64();
        if (dtype is not (ScalarType.Float32 or ScalarType.Float64 or ScalarType.BFloat16 or ScalarType.Float16) || count is < 1 or > MostSizes)
        {
            throw new CurvatureException($"The optimizer's state is damaged: expected a tensor of floats where there are {count} sizes of {dtype}.");
        }

        long[] shape = new long[count];
        double elements = 1;
        for (int i = 0; i < count; i++)
        {
            elements *= shape[i] = reader.Read7BitEncodedInt64();
        }

        return shape.All(size => size >= 0) && elements < long.MaxValue / 64.0
            ? (dtype, shape)
            : throw new CurvatureException($"The optimizer's state is damaged: it has a tensor of the sizes {string.Join(", ", shape)}.");
    }

    /// <summary>Goes past some bytes.</summary>
    protected static void Skip(BinaryReader reader, long bytes, byte[] into)
    {
        for (; bytes > 0; bytes -= Math.Min(bytes, into.Length))
        {
            reader.BaseStream.ReadExactly(into.AsSpan(0, (int)Math.Min(bytes, into.Length)));
        }
    }
}
