using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Curvature.Data;

namespace Curvature.Checkpoints.Pickling;

/// <summary>
/// Reads a pickle (Python's protocol 2) of dictionaries, lists, tuples, numbers, text and tensors. A pickle is a program for a small stack
/// machine. Here it can only put values together: nothing is imported or called, the names that it may use are those of
/// <see cref="PickleGlobals"/>, and its memory is bounded by its length. Values may contain themselves; nothing here follows them.
/// </summary>
internal sealed class PickleReader
{
    /// <summary>Some 250,000 tensors; the longest list of weights known has a tenth of that.</summary>
    private const int MostInstructions = 1 << 23;

    private readonly byte[] _bytes;
    private readonly string _path;
    private readonly List<object?> _stack = [];
    private readonly Stack<int> _marks = [];
    private readonly Dictionary<uint, object?> _memo = [];
    private int _at;

    private PickleReader(byte[] bytes, string path) => (_bytes, _path) = (bytes, path);

    /// <summary>
    /// The value: null, bool, long, BigInteger, double, string, <c>object?[]</c> (a tuple), <c>List</c> (a list),
    /// <see cref="PickledDictionary"/>, <see cref="PickledTensor"/>, <see cref="PickledStorage"/>, or what stands for a name.
    /// </summary>
    /// <exception cref="DataFormatException">Another name or instruction, or bytes that are no such program.</exception>
    public static object? Read(byte[] bytes, string path) => new PickleReader(bytes, path).Run();

    private object? Run()
    {
        if (Next() != PickleOpcode.Proto || Take(1)[0] is var protocol and not 2)
        {
            throw new DataFormatException(
                _path, "a pickle of protocol 2", "another", "save it with torch.save and its default pickle_protocol");
        }

        for (int i = 0; i < MostInstructions; i++)
        {
            PickleOpcode opcode = Next();
            if (opcode == PickleOpcode.Stop)
            {
                object? value = Pop();
                return _stack.Count == 0 && _marks.Count == 0 && _at == _bytes.Length ? value : throw Corrupt("one value", "more");
            }

            Execute(opcode);
        }

        throw new DataFormatException(
            _path, $"a pickle of at most {MostInstructions} instructions", "a longer one", "save the weights alone: torch.save(model.state_dict(), file)");
    }

    private void Execute(PickleOpcode opcode)
    {
        switch (opcode)
        {
            case PickleOpcode.Mark: _marks.Push(_stack.Count); break;
            case PickleOpcode.None: Push(null); break;
            case PickleOpcode.NewTrue: Push(true); break;
            case PickleOpcode.NewFalse: Push(false); break;
            case PickleOpcode.BinInt: Push((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4))); break;
            case PickleOpcode.BinInt1: Push((long)Take(1)[0]); break;
            case PickleOpcode.BinInt2: Push((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2))); break;
            case PickleOpcode.Long1: PushWhole(new BigInteger(Take(Take(1)[0]))); break;
            case PickleOpcode.BinFloat: Push(BinaryPrimitives.ReadDoubleBigEndian(Take(8))); break;
            case PickleOpcode.BinUnicode: Push(Encoding.UTF8.GetString(Take(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))))); break;
            case PickleOpcode.EmptyDict: Push(new PickledDictionary()); break;
            case PickleOpcode.EmptyList: Push(new List<object?>()); break;
            case PickleOpcode.EmptyTuple: Push(Array.Empty<object?>()); break;
            case PickleOpcode.Tuple: Push(PopToMark()); break;
            case PickleOpcode.Tuple1: Push(PopItems(1)); break;
            case PickleOpcode.Tuple2: Push(PopItems(2)); break;
            case PickleOpcode.Tuple3: Push(PopItems(3)); break;
            case PickleOpcode.Append: Append([Pop()]); break;
            case PickleOpcode.Appends: Append(PopToMark()); break;
            case PickleOpcode.SetItem: Set(PopItems(2)); break;
            case PickleOpcode.SetItems: Set(PopToMark()); break;
            case PickleOpcode.BinPut: _memo[Take(1)[0]] = Top(); break;
            case PickleOpcode.LongBinPut: _memo[BinaryPrimitives.ReadUInt32LittleEndian(Take(4))] = Top(); break;
            case PickleOpcode.BinGet: Push(Remembered(Take(1)[0])); break;
            case PickleOpcode.LongBinGet: Push(Remembered(BinaryPrimitives.ReadUInt32LittleEndian(Take(4)))); break;
            case PickleOpcode.Global: Push(PickleGlobals.Find(Line(), Line(), _path)); break;
            case PickleOpcode.BinPersId: Push(PickledStorage.From(Pop(), _path)); break;
            case PickleOpcode.Reduce: Reduce(); break;
            case PickleOpcode.Build: Build(); break;
            default:
                throw new DataFormatException(
                    _path,
                    "a pickle of dictionaries, lists, numbers, text and tensors",
                    $"one with instruction {(byte)opcode:x2} at byte {_at - 1}, which they do not need",
                    "save the weights alone with torch.save and its default pickle_protocol");
        }
    }

    private void Reduce()
    {
        object? arguments = Pop(), function = Pop();
        Push(function is PickledFunction call && arguments is object?[] tuple
            ? call(tuple, _path)
            : throw Corrupt("a function and its arguments", $"{Pickled.Kind(function)} and {Pickled.Kind(arguments)}"));
    }

    /// <summary>Attributes of an object: a state dict has the versions of its modules there, which nobody needs.</summary>
    private void Build()
    {
        object? attributes = Pop();
        if (attributes is not PickledDictionary || Top() is not PickledDictionary)
        {
            throw Corrupt("attributes of a dictionary", $"{Pickled.Kind(attributes)} as attributes of {Pickled.Kind(Top())}");
        }
    }

    private void Append(object?[] items)
    {
        List<object?> list = Top() as List<object?> ?? throw Corrupt("a list to append to", Pickled.Kind(Top()));
        Array.ForEach(items, list.Add);
    }

    private void Set(object?[] items)
    {
        if (Top() is not PickledDictionary dictionary || items.Length % 2 != 0)
        {
            throw Corrupt("a dictionary, keys and values", $"{Pickled.Kind(Top())} and {items.Length} items");
        }

        for (int i = 0; i < items.Length; i += 2)
        {
            dictionary.Add(items[i], items[i + 1]);
        }
    }

    private void Push(object? value) => _stack.Add(value);

    private void PushWhole(BigInteger number) => Push(number >= long.MinValue && number <= long.MaxValue ? (object)(long)number : number);

    private object? Pop()
    {
        object? value = Top();
        _stack.RemoveAt(_stack.Count - 1);
        return value;
    }

    private object? Top() => _stack.Count > Floor ? _stack[^1] : throw Corrupt("a value", "an empty stack");

    /// <summary>The values below the last mark cannot be taken.</summary>
    private int Floor => _marks.TryPeek(out int mark) ? mark : 0;

    private object?[] PopItems(int count)
    {
        int start = _stack.Count - count;
        object?[] items = start >= Floor ? [.. _stack[start..]] : throw Corrupt("a value", "an empty stack");
        _stack.RemoveRange(start, count);
        return items;
    }

    private object?[] PopToMark()
    {
        object?[] items = PopItems(_marks.Count > 0 ? _stack.Count - Floor : throw Corrupt("a mark", "none"));
        _marks.Pop();
        return items;
    }

    private object? Remembered(uint number) => _memo.TryGetValue(number, out object? value) ? value : throw Corrupt($"a value number {number}", "none");

    private PickleOpcode Next() => (PickleOpcode)Take(1)[0];

    private ReadOnlySpan<byte> Take(uint count)
    {
        ReadOnlySpan<byte> rest = _bytes.AsSpan(_at);
        ReadOnlySpan<byte> taken = count <= rest.Length ? rest[..(int)count] : throw Corrupt($"{count} more bytes", $"{rest.Length}");
        _at += (int)count;
        return taken;
    }

    /// <summary>Text up to the end of the line.</summary>
    private string Line()
    {
        int length = _bytes.AsSpan(_at).IndexOf((byte)'\n');
        string line = Encoding.UTF8.GetString(Take(length >= 0 ? (uint)length : throw Corrupt("the end of a name", "none")));
        _at++;
        return line;
    }

    private DataFormatException Corrupt(string expected, string got) =>
        DataFormatException.Corrupt(_path, $"a pickle with {expected}", $"{got} at byte {_at}");
}
