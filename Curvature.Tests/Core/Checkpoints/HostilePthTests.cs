using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Tests.Core.Data;
using TorchSharp;
using Xunit;
using static Curvature.Tests.Core.Checkpoints.Pickle;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Checkpoints;

/// <summary>State dicts that somebody broke, or wrote to break the reader: the same tensors or one clear message, and never a call.</summary>
public class HostilePthTests
{
    private static readonly byte[] Tiny = File.ReadAllBytes(PthFileTests.Fixture("tiny.pth"));

    /// <summary>Programs that are wrong, and what is said about them.</summary>
    public static TheoryData<string, byte[], string> Programs => new()
    {
        { "nothing", [], "1 more bytes, got 0" },
        { "another protocol", [0x80, 4, .. "N."u8], "a pickle of protocol 2, got another" },
        { "no protocol", "(lp0\n."u8.ToArray(), "a pickle of protocol 2, got another" },
        { "no end", [0x80, 2, .. "N"u8], "1 more bytes, got 0" },
        { "bytes behind the end", [.. Program(EmptyDict), 0], "one value, got more" },
        { "two values", Program(EmptyDict, EmptyDict), "one value, got more" },
        { "an open mark", Program(Mark, None), "one value, got more" },
        { "an empty stack", Program(), "a value, got an empty stack" },
        { "a tuple of what is below a mark", Program(None, Mark, [0x85]), "a value, got an empty stack" },
        { "a tuple without a mark", Program("t"u8.ToArray()), "a mark, got none" },
        { "a text of 4 GB", Program([.. "X"u8, 0xFF, 0xFF, 0xFF, 0xFF]), "4294967295 more bytes, got 1" },
        { "a long number that is cut", Program([0x8A, 255, 1]), "255 more bytes, got 2" },
        { "a value that was never remembered", Program("h"u8.ToArray(), [9]), "a value number 9, got none" },
        { "nothing to remember", Program("q"u8.ToArray(), [0]), "a value, got an empty stack" },
        { "a name without an end", Program("cos\nsystem"u8.ToArray()), "the end of a name, got none" },
        { "an instruction of objects", Program(EmptyDict, ")"u8.ToArray(), [0x81]), "instruction 81" },
        { "an instruction of another protocol", Program([0x95, 0, 0, 0, 0, 0, 0, 0, 0]), "instruction 95" },
        { "a call of a dictionary", Program(EmptyDict, ")R"u8.ToArray()), "a function and its arguments, got a dictionary and a tuple" },
        { "a call of a storage class", Program(Global("torch", "FloatStorage"), ")R"u8.ToArray()), "a function and its arguments, got a name and a tuple" },
        { "a call without a tuple", Program(Global("collections", "OrderedDict"), None, CallFunction), "a function and its arguments, got a name and None" },
        { "attributes of a list", Program(EmptyList, EmptyDict, "b"u8.ToArray()), "attributes of a dictionary" },
        { "an item of a dictionary appended", Program(EmptyDict, None, "a"u8.ToArray()), "a list to append to, got a dictionary" },
        { "a key without a value", Program(EmptyDict, Mark, None, SetItems), "a dictionary, keys and values, got a dictionary and 1 items" },
        { "an OrderedDict of something", Program(Global("collections", "OrderedDict"), Tuple(EmptyList), CallFunction), "the arguments of OrderedDict, got (a list)" },
        { "a persistent id of another kind", Program(Tuple(Text("module"), None), "Q"u8.ToArray()), "a storage's class, key, device and length" },
        { "a storage of a negative length", Program(Storage(-1)), "a storage's class, key, device and length" },
        { "a storage of a type instead of a class", Program(Storage(4, kind: "float32")), "a storage's class, key, device and length" },
        { "a tensor without a storage", Weights(Tensor(None, 0, [4], [1])), "a tensor inside its storage" },
        { "a tensor beyond its storage", Weights(Tensor(Storage(4), 1, [4], [1])), "shape (4), strides (1) in a storage of 4 float32" },
        { "a tensor before its storage", Weights(Tensor(Storage(4), -1, [4], [1])), "a tensor inside its storage" },
        { "a step backwards", Weights(Tensor(Storage(4), 3, [4], [-1])), "a tensor inside its storage" },
        { "a negative size", Weights(Tensor(Storage(4), 0, [-4], [1])), "a tensor inside its storage" },
        { "sizes without steps", Weights(Tensor(Storage(4), 0, [2, 2], [1])), "a tensor inside its storage" },
        { "65 dimensions", Weights(Tensor(Storage(4), 0, [.. Enumerable.Repeat(1L, 65)], [.. Enumerable.Repeat(1L, 65)])), "a tensor inside its storage" },
        { "a terabyte", Weights(Tensor(Storage(1L << 38), 0, [1L << 38], [1])), "an entry data/0 of 1099511627776 bytes, got one of 16 bytes" },
        { "2^62 elements of 4 bytes", Weights(Tensor(Storage(1L << 62), 0, [1L << 62], [1])), "a tensor inside its storage" },
        { "2^62 elements in a small storage", Weights(Tensor(Storage(4), 0, [1L << 62], [0])), "a tensor inside its storage" },
        { "steps that overflow", Weights(Tensor(Storage(4), 0, [3, 2], [1L << 62, 1])), "a tensor inside its storage" },
        { "an offset that overflows", Weights(Tensor(Storage(4), long.MaxValue, [2], [1])), "a tensor inside its storage" },
        { "a storage that is not there", Weights(Tensor(Storage(4, key: "1"), 0, [4], [1])), "an entry data/1 of 16 bytes, got none" },
        { "a storage outside its folder", Weights(Tensor(Storage(4, key: "../../etc/passwd"), 0, [4], [1])), "an entry data/../../etc/passwd of 16 bytes, got none" },
        { "a storage of another type", Weights(Tensor(Storage(4, kind: "DoubleStorage"), 0, [4], [1])), "an entry data/0 of 32 bytes, got one of 16 bytes" },
        { "bytes without a type", Weights(Tensor(Storage(16, kind: "UntypedStorage", module: "torch.storage"), 0, [4], [1])), "a tensor inside its storage" },
        { "a type that is none of ours", Weights(Tensor(Storage(4, kind: "ComplexFloatStorage"), 0, [4], [1])), "asks Python for torch.ComplexFloatStorage" },
        { "a name twice", Program(Dict(("a", Tensor(Storage(4), 0, [4], [1])), ("a", Tensor(Storage(4), 0, [4], [1])))), "'a' twice" },
        { "a number among the tensors", Program(Dict(("a", Tensor(Storage(4), 0, [4], [1])), ("b", Number(1)))), "got a dictionary of 'a' (a tensor), 'b' (a number)" },
        { "a list", Program(EmptyList), "or a dictionary that holds one, got a list" },
        { "a tensor alone", Program(Tensor(Storage(4), 0, [4], [1])), "got a tensor" },
        { "an empty dictionary", Program(EmptyDict), "got a dictionary of nothing" },
    };

    [Theory]
    [MemberData(nameof(Programs))]
    public void A_wrong_program_is_one_clear_message(string what, byte[] pickle, string expected)
    {
        string message = Refusal(Archive(pickle));
        Assert.True(message.Contains(expected, StringComparison.Ordinal), $"{what}: {message}");
    }

    [Theory]
    [InlineData("os", "system")]
    [InlineData("posix", "system")]
    [InlineData("builtins", "eval")]
    [InlineData("__builtin__", "getattr")]
    [InlineData("subprocess", "Popen")]
    [InlineData("torch", "load")]
    [InlineData("torch._utils", "_rebuild_sparse_tensor")]
    [InlineData("torch.collections", "OrderedDict")]
    [InlineData("torch", "_utils._rebuild_tensor_v2\u001b[2J")]
    public void Another_name_is_refused_where_it_stands_and_nothing_is_called(string module, string name)
    {
        using var folder = new TemporaryFolder();
        byte[] call = [.. Global(module, name), .. Tuple(Text($"touch {folder.File("called")}")), .. CallFunction];
        string path = folder.Write("weights.pth", Archive(Program(Dict(("a", Tensor(Storage(4), 0, [4], [1])), ("b", call)))));
        foreach (Action read in (Action[])[() => PthFile.Read(path), () => Checkpoint.Load(path, "digits-mlp"), () => Checkpoint.Describe(path)])
        {
            string message = Assert.Throws<DataFormatException>(read).Message;
            Assert.Contains($"asks Python for {module}.{name.Replace('\u001b', '?')}, which is not done here", message, StringComparison.Ordinal);
        }

        Assert.Equal([path], folder.Entries());
    }

    [Fact]
    public void Deep_nesting_takes_no_stack()
    {
        const int Depth = 2_000_000;
        byte[] lists = [.. Enumerable.Repeat((byte)']', Depth), .. Enumerable.Repeat((byte)'a', Depth - 1)];
        byte[] tuples = [.. Enumerable.Repeat((byte)0x85, Depth)];
        using DisposeScope scope = NewDisposeScope();
        byte[] weights = Dict(("a", Tensor(Storage(4), 0, [4], [1])));
        Assert.Single(Read(Archive(Program(Dict(("deep", lists), ("model", weights), ("deeper", [.. None, .. tuples]))))));
        Assert.Contains("got a list", Refusal(Archive(Program(lists))), StringComparison.Ordinal);
        Assert.Contains("the arguments of OrderedDict, got (a tuple)", Refusal(Archive(Program(Global("collections", "OrderedDict"), None, tuples, CallFunction))), StringComparison.Ordinal);
    }

    [Fact]
    public void Values_that_contain_themselves_end()
    {
        // d = {}; d["model"] = d; d["list"] = [l, l, ..] with l in itself; and a dictionary as its own key.
        byte[] cyclic = Program(
            EmptyDict, [(byte)'q', 0], Mark, Text("model"), [(byte)'h', 0], Text("list"), EmptyList, [(byte)'q', 1, (byte)'h', 1, (byte)'a'], [(byte)'h', 0], [(byte)'h', 0], SetItems);
        Assert.Contains("got a dictionary of 'model' (a dictionary), 'list' (a list), a dictionary (a dictionary)", Refusal(Archive(cyclic)), StringComparison.Ordinal);
    }

    [Fact]
    public void Lists_of_lists_of_the_same_list_stay_small()
    {
        // Each level holds the level below ten times: 10^30 items, if anybody walked them.
        IEnumerable<byte> levels = Enumerable.Range(0, 30).SelectMany(level =>
            (byte[])[.. "]("u8, .. Enumerable.Repeat<byte[]>([(byte)'h', (byte)level], 10).SelectMany(get => get), .. "eq"u8, (byte)(level + 1)]);
        byte[] laughs = [.. EmptyList, (byte)'q', 0, .. levels];
        Assert.Contains("more", Refusal(Archive(Program(laughs))), StringComparison.Ordinal);
    }

    [Fact]
    public void More_instructions_than_any_weights_need_are_refused()
    {
        byte[] endless = [.. Enumerable.Repeat((byte)'N', (1 << 23) + 1)];
        Assert.Contains("a pickle of at most 8388608 instructions", Refusal(Archive(Program(endless))), StringComparison.Ordinal);
    }

    [Fact]
    public void A_pickle_that_expands_beyond_reason_is_refused()
    {
        byte[] zip = SampleFiles.Zip(deflated: true, ("w/data.pkl", new byte[(1 << 26) + 1]), ("w/version", "3"u8.ToArray()));
        Assert.Contains("a pickle of at most 67108864 bytes", Refusal(zip), StringComparison.Ordinal);
    }

    [Fact]
    public void Cut_anywhere_it_is_one_clear_message()
    {
        using var folder = new TemporaryFolder();
        for (int length = 0; length < Tiny.Length; length++)
        {
            string path = folder.Write("weights.pth", Tiny[..length]);
            Assert.StartsWith($"{path}: expected ", Assert.Throws<DataFormatException>(() => Checkpoint.Describe(path)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void With_any_bit_flipped_it_is_the_same_tensors_or_one_clear_message()
    {
        using var folder = new TemporaryFolder();
        string whole = Elements(folder.Write("weights.pth", Tiny));
        Assert.Equal("weight 0 1 2 3 4 5 bias 6 7", whole);
        int refused = 0;
        for (int bit = 0; bit < 8 * Tiny.Length; bit++)
        {
            byte[] damaged = [.. Tiny];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            string path = folder.Write("weights.pth", damaged);
            try
            {
                Assert.Equal(whole, Elements(path));
            }
            catch (DataFormatException e)
            {
                Assert.StartsWith(path + ": expected ", e.Message, StringComparison.Ordinal);
                Assert.DoesNotContain('\n', e.Message);
                refused++;
            }
        }

        Assert.InRange(refused, 3 * Tiny.Length, 8 * Tiny.Length); // the rest is padding, time stamps and the version entry
    }

    /// <summary>With the archive's checksums made right again, damage in the pickle reaches its reader.</summary>
    [Fact]
    public void With_any_byte_of_the_pickle_changed_it_is_tensors_or_one_clear_message()
    {
        byte[] pickle = Program(Dict(("a", Tensor(Storage(4), 0, [2, 2], [2, 1])), ("b", Tensor(Storage(4), 1, [3], [1]))));
        using DisposeScope scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        for (int i = 0; i < pickle.Length; i++)
        {
            foreach (byte mask in (byte[])[1, 2, 4, 8, 16, 32, 64, 128, 255])
            {
                byte[] damaged = [.. pickle];
                damaged[i] ^= mask;
                string path = folder.Write("weights.pth", Archive(damaged));
                try
                {
                    Assert.NotEmpty(PthFile.Read(path));
                }
                catch (DataFormatException e)
                {
                    Assert.StartsWith(path + ": expected ", e.Message, StringComparison.Ordinal);
                    Assert.DoesNotContain('\n', e.Message);
                }
            }
        }
    }

    private static byte[] Weights(byte[] tensor) => Program(Dict(("a", tensor)));

    private static IReadOnlyDictionary<string, Tensor> Read(byte[] archive)
    {
        using var folder = new TemporaryFolder();
        return PthFile.Read(folder.Write("weights.pth", archive));
    }

    private static string Refusal(byte[] archive) => Assert.Throws<DataFormatException>(() => Read(archive)).Message;

    private static string Elements(string path)
    {
        using DisposeScope scope = NewDisposeScope();
        return string.Join(' ', PthFile.Read(path).Select(entry => $"{entry.Key} {string.Join(' ', entry.Value.contiguous().data<float>().ToArray())}"));
    }
}
