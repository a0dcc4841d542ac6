using System.Buffers.Binary;
using System.Text;
using Curvature.Tests.Core.Data;

namespace Curvature.Tests.Core.Checkpoints;

/// <summary>Pickles and archives of torch.save, instruction by instruction, written without the code under test.</summary>
internal static class Pickle
{
    public static readonly byte[] None = "N"u8.ToArray(), False = [0x89], Mark = "("u8.ToArray(), EmptyDict = "}"u8.ToArray(), SetItems = "u"u8.ToArray(),
        EmptyList = "]"u8.ToArray(), CallFunction = "R"u8.ToArray(), OrderedDict = [.. Global("collections", "OrderedDict"), .. ")R"u8];

    /// <summary>A whole pickle.</summary>
    public static byte[] Program(params byte[][] parts) => [0x80, 2, .. parts.SelectMany(part => part), .. "."u8];

    public static byte[] Text(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        return [.. "X"u8, .. BitConverter.GetBytes(bytes.Length), .. bytes];
    }

    /// <summary>A number of 32 bits, or a longer one.</summary>
    public static byte[] Number(long number) =>
        number == (int)number ? [.. "J"u8, .. BitConverter.GetBytes((int)number)] : [0x8A, 8, .. BitConverter.GetBytes(number)];

    public static byte[] Real(double number)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteDoubleBigEndian(bytes, number);
        return [.. "G"u8, .. bytes];
    }

    public static byte[] Global(string module, string name) => Encoding.UTF8.GetBytes($"c{module}\n{name}\n");

    public static byte[] Tuple(params byte[][] items) => [.. "("u8, .. items.SelectMany(item => item), .. "t"u8];

    public static byte[] Numbers(params long[] numbers) => Tuple([.. numbers.Select(Number)]);

    /// <summary>A dictionary of entries.</summary>
    public static byte[] Dict(params (string Key, byte[] Value)[] entries) =>
        [.. EmptyDict, .. Mark, .. entries.SelectMany(entry => (byte[])[.. Text(entry.Key), .. entry.Value]), .. SetItems];

    public static byte[] Storage(long count, string key = "0", string kind = "FloatStorage", string module = "torch") =>
        [.. Tuple(Text("storage"), Global(module, kind), Text(key), Text("cpu"), Number(count)), .. "Q"u8];

    public static byte[] Tensor(byte[] storage, long offset, long[] shape, long[] strides) =>
        [.. Global("torch._utils", "_rebuild_tensor_v2"), .. Tuple(storage, Number(offset), Numbers(shape), Numbers(strides), False, OrderedDict), .. CallFunction];

    /// <summary>An archive as PyTorch 2 writes it; four float32 elements 0, 1, 2, 3 unless other storages are given.</summary>
    public static byte[] Archive(byte[] pickle, string byteOrder = "little", params (string Key, byte[] Bytes)[] storages)
    {
        (string Key, byte[] Bytes)[] all = storages.Length > 0 ? storages : [("0", [.. new float[] { 0, 1, 2, 3 }.SelectMany(BitConverter.GetBytes)])];
        return SampleFiles.Zip(
            deflated: false,
            [
                ("weights/data.pkl", pickle),
                ("weights/.format_version", "1"u8.ToArray()),
                ("weights/byteorder", Encoding.UTF8.GetBytes(byteOrder)),
                .. all.Select(storage => ($"weights/data/{storage.Key}", storage.Bytes)),
                ("weights/version", "3\n"u8.ToArray()),
                ("weights/.data/serialization_id", "0123456789"u8.ToArray()),
            ]);
    }
}
