using System.Runtime.InteropServices;
using System.Text.Json;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Compat;

/// <summary>TorchScript files, against figures that PyTorch computed (Fixtures/make_fixtures.py).</summary>
public sealed class JitTests
{
    private static readonly string Folder = Repository.File("Curvature.Tests/Fixtures/torchscript");
    private static readonly JsonElement[] Expected =
        [.. JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, "expected.json"))).RootElement.GetProperty("models").EnumerateArray()];

    public static TheoryData<string> Files =>
        [.. Expected.Where(entry => entry.GetProperty("precision").GetString() == "f64").SelectMany(entry => entry.GetProperty("files").EnumerateArray()).Select(file => file.GetString()!)];

    [Theory]
    [MemberData(nameof(Files))]
    public void A_module_gives_the_parameters_loss_and_Hessian_products_of_PyTorch(string file) => AssertAgrees(file, runs: 1);

    // A profiling executor switches to a specialised graph after a few runs, whose second derivatives libtorch can get wrong.
    [Theory]
    [MemberData(nameof(Files))]
    [Trait("Engine", "StandIn")]
    public void It_does_so_however_often_it_runs(string file) => AssertAgrees(file, runs: 4);

    private static void AssertAgrees(string file, int runs)
    {
        using var scope = NewDisposeScope();
        var expected = Expected.First(entry => entry.GetProperty("files").EnumerateArray().Any(name => name.GetString() == file));
        using var model = jit.load<Tensor, Tensor>(Path.Combine(Folder, file));
        model.eval();
        var parameters = model.parameters().ToList();
        Assert.Equal(expected.GetProperty("names").EnumerateArray().Select(name => name.GetString()), model.named_parameters().Select(entry => entry.name));

        var (x, y) = Data(expected.GetProperty("data").GetString()!);
        var split = tensor(Numbers(expected.GetProperty("v"))).split(parameters.Select(parameter => parameter.numel()).ToArray());
        var v = split.Select((part, i) => part.reshape(parameters[i].shape)).ToArray();
        var hv = tensor(Numbers(expected.GetProperty("hv")));

        for (var run = 0; run < runs; run++)
        {
            var outputs = model.call(x);
            var loss = -outputs.log_softmax(1).gather(1, y.unsqueeze(1)).mean();
            Assert.Equal(expected.GetProperty("loss").GetDouble(), loss.ToDouble(), 10);

            var gradients = autograd.grad([loss], [.. parameters], retain_graph: true, create_graph: true);
            for (var product = 0; product < 2; product++)
            {
                var parts = autograd.grad(gradients, [.. parameters], v, retain_graph: true, allow_unused: true);
                var flat = cat([.. parts.Select((part, i) => part.IsInvalid ? zeros(parameters[i].numel(), float64) : part.reshape(-1))]);
                var error = (flat - hv).norm().ToDouble() / hv.norm().ToDouble();
                Assert.True(error < 1e-9, $"{file}: {error}");
            }
        }
    }

    [Fact]
    public void A_module_is_a_Module_with_buffers_modules_and_a_mode()
    {
        using var model = jit.load(Path.Combine(Folder, "conv-scripted-f64.pt"));
        nn.Module module = model;
        Assert.Contains("bn1.running_mean", module.named_buffers().Select(entry => entry.name));
        Assert.Contains("conv1", module.named_children().Select(entry => entry.name));
        Assert.DoesNotContain("", module.named_modules().Select(entry => entry.name));
        module.eval();
        Assert.False(module.training);
        module.train();
        Assert.True(module.training);
        Assert.Contains("fc.weight", module.state_dict().Keys);
    }

    [Fact]
    public void A_cast_is_seen_by_the_handles_given_out()
    {
        using var scope = NewDisposeScope();
        using var model = jit.load<Tensor, Tensor>(Path.Combine(Folder, "conv-traced-f32.pt"));
        var old = model.parameters().First();
        model.to(float64);
        Assert.Equal(float64, old.dtype);
        Assert.All(model.parameters(), parameter => Assert.Equal(float64, parameter.dtype));
        Assert.All(model.parameters(), parameter => Assert.True(parameter.requires_grad));
        model.eval();
        Assert.Equal(float64, model.call(ones(2, 1, 8, 8, float64)).dtype);
    }

    // libtorch's own cast of a module, which TorchSharp calls, takes integers along.
    [Fact]
    [Trait("Engine", "StandIn")]
    public void A_cast_leaves_integers_alone()
    {
        using var scope = NewDisposeScope();
        using var model = jit.load<Tensor, Tensor>(Path.Combine(Folder, "conv-traced-f32.pt"));
        model.to(float64);
        Assert.Equal(int64, model.named_buffers().First(entry => entry.name == "bn1.num_batches_tracked").buffer.dtype);
    }

    [Fact]
    public void A_change_is_saved_and_loaded_again()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = jit.load<Tensor, Tensor>(Path.Combine(Folder, "mlp-scripted-f64.pt"));
        using (no_grad()) model.get_parameter("fc3.bias")!.add_(1);
        jit.save(model, folder.File("changed.pt"));
        using var again = jit.load<Tensor, Tensor>(folder.File("changed.pt"));
        var x = ones(3, 6, float64);
        Assert.True(model.call(x).Equals(again.call(x)));
        Assert.Equal([3L, 3L], ((Tensor)jit.load(folder.File("changed.pt")).forward(x)).shape);
    }

    [Fact]
    public void Failures_are_exceptions()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = jit.load<Tensor, Tensor>(Path.Combine(Folder, "mlp-scripted-f64.pt"));
        Assert.Contains("RuntimeError", Assert.Throws<ExternalException>(() => model.call(ones(3, 5, float64))).Message, StringComparison.Ordinal);
        Assert.Throws<ExternalException>(() => jit.load(folder.Write("broken.pt", "no archive")));
        Assert.Throws<FileNotFoundException>(() => jit.load(folder.File("absent.pt")));
    }

    private static double[] Numbers(JsonElement list) => [.. list.EnumerateArray().Select(item => item.GetDouble())];

    // The fixtures' arrays are small .npy entries of a zip: a header that ends with a line feed, then the elements.
    private static (Tensor x, Tensor y) Data(string file)
    {
        using var archive = System.IO.Compression.ZipFile.OpenRead(Path.Combine(Folder, file));
        Tensor Read(string name)
        {
            using var memory = new MemoryStream();
            using (var entry = archive.GetEntry(name)!.Open()) entry.CopyTo(memory);
            var bytes = memory.ToArray();
            var start = Array.IndexOf(bytes, (byte)'\n') + 1;
            var header = System.Text.Encoding.Latin1.GetString(bytes, 0, start);
            var shape = header[(header.IndexOf('(', StringComparison.Ordinal) + 1)..header.IndexOf(')', StringComparison.Ordinal)]
                .Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(size => long.Parse(size, System.Globalization.CultureInfo.InvariantCulture)).ToArray();
            var data = bytes.AsSpan(start);
            return header.Contains("<f4", StringComparison.Ordinal)
                ? tensor(MemoryMarshal.Cast<byte, float>(data).ToArray(), shape, dtype: float64)
                : tensor(MemoryMarshal.Cast<byte, long>(data).ToArray(), shape);
        }
        return (Read("x.npy"), Read("y.npy"));
    }
}
