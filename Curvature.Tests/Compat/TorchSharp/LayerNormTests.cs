using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Compat;

/// <summary>Derivatives of layer norm beside those of the same function written with means, which libtorch differentiates by its own rules.</summary>
public sealed class LayerNormTests
{
    private static readonly Dictionary<string, Case> Cases = new()
    {
        ["vectors"] = new([4, 3], [7]),
        ["planes"] = new([5], [3, 4]),
        ["volumes"] = new([2, 2], [2, 3, 4]),
        ["one row"] = new([], [6]),
        ["rows for two threads"] = new([600], [128]),
        ["no weights"] = new([4], [7], Affine: false),
        ["frozen weights"] = new([4], [7], Frozen: true),
        ["strided"] = new([4, 3], [7], Strided: true),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Products_are_those_of_the_function_written_out(string name)
    {
        using var scope = NewDisposeScope();
        var ours = new Graph(Cases[name], LayerNorm, float64);
        var theirs = new Graph(Cases[name], Written, float64);
        for (var i = 0; i < 2; i++)
        {
            var v = ours.Vectors();
            Same(theirs.Product(v), ours.Product(v), 1e-11);
            for (var part = 0; part < v.Length; part++)
            {
                Same(theirs.Product(v, part), ours.Product(v, part), 1e-11); // of one output alone, the others' vectors being no tensors
            }
        }
    }

    /// <summary>libtorch's own take mean and standard deviation for constants there.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Third_derivatives_are_too(string name)
    {
        using var scope = NewDisposeScope();
        var ours = new Graph(Cases[name], LayerNorm, float64);
        var theirs = new Graph(Cases[name], Written, float64);
        var v = ours.Vectors();
        Same(theirs.Third(v), ours.Third(v), 1e-11);
        Same(theirs.Product(v), ours.Product(v), 1e-11);
        Same(theirs.Third(v), ours.Third(v), 1e-11);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void In_single_precision_products_keep_its_digits(string name)
    {
        using var scope = NewDisposeScope();
        var ours = new Graph(Cases[name], LayerNorm, float32);
        var theirs = new Graph(Cases[name], Written, float64);
        var v = ours.Vectors();
        Same(theirs.Product([.. v.Select(x => x.to(float64))]), ours.Product(v), 2e-5);
    }

    private static Tensor LayerNorm(Tensor x, long[] shape, Tensor? gamma, Tensor? beta) => nn.functional.layer_norm(x, shape, gamma, beta);

    private static Tensor Written(Tensor x, long[] shape, Tensor? gamma, Tensor? beta)
    {
        long[] last = [.. Enumerable.Range(1, shape.Length).Select(i => -(long)i)];
        var centred = x - x.mean(last, keepdim: true);
        var h = centred / (centred.square().mean(last, keepdim: true) + 1e-5).sqrt();
        return gamma is null ? h : (h * gamma) + beta!;
    }

    private static void Same(Tensor?[] expected, Tensor?[] actual, double tolerance)
    {
        foreach (var (e, a) in expected.Zip(actual))
        {
            // What no derivative reaches is null on one side where it is a tensor of zeros on the other.
            var scale = 1 + (e?.abs().max().ToDouble() ?? 0);
            var difference = e is null || a is null ? (e ?? a)?.abs().max().ToDouble() ?? 0 : (e - a.to(float64)).abs().max().ToDouble();
            Assert.InRange(difference, 0, tolerance * scale);
        }
    }

    private sealed record Case(long[] Rows, long[] Shape, bool Affine = true, bool Frozen = false, bool Strided = false);

    /// <summary>The gradient of a layer norm in what it was made of, with its graph.</summary>
    private sealed class Graph
    {
        private readonly Tensor[] _inputs;
        private readonly Tensor[] _gradient;

        public Graph(Case given, Func<Tensor, long[], Tensor?, Tensor?, Tensor> norm, ScalarType type)
        {
            using var generator = new Generator(7);
            Tensor Draw(params long[] shape) => randn(shape, float64, generator: generator).to(type);
            long[] shape = [.. given.Rows, .. given.Shape];
            var x = (given.Strided ? Draw([.. shape.Reverse()]) : Draw(shape)).requires_grad_();
            var g = (given.Strided ? Draw([.. shape.Reverse()]) : Draw(shape)).requires_grad_();
            Tensor? gamma = given.Affine ? Draw(given.Shape).requires_grad_(!given.Frozen) : null, beta = given.Affine ? Draw(given.Shape).requires_grad_(!given.Frozen) : null;
            Tensor Turned(Tensor t) => given.Strided ? t.permute([.. Enumerable.Range(0, shape.Length).Select(i => (long)(shape.Length - 1 - i))]) : t;
            Tensor[] parts = given.Affine && !given.Frozen ? [x, gamma!, beta!] : [x];
            _inputs = [g, .. parts];
            _gradient = [.. autograd.grad([norm(Turned(x), given.Shape, gamma, beta)], parts, [Turned(g)], retain_graph: true, create_graph: true)];
        }

        public Tensor[] Vectors()
        {
            using var generator = new Generator(8);
            return [.. _gradient.Select(t => randn(t.shape, float64, generator: generator).to(t.dtype))];
        }

        public Tensor?[] Product(Tensor[] v) => [.. autograd.grad(_gradient, _inputs, v, retain_graph: true, allow_unused: true).Select(OrNull)];

        public Tensor?[] Product(Tensor[] v, int part) => [.. autograd.grad([_gradient[part]], _inputs, [v[part]], retain_graph: true, allow_unused: true).Select(OrNull)];

        public Tensor?[] Third(Tensor[] v)
        {
            var second = autograd.grad(_gradient, _inputs, v, retain_graph: true, create_graph: true, allow_unused: true);
            return [.. autograd.grad([second.Where(t => !t.IsInvalid).Select(t => t.square().sum()).Aggregate((a, b) => a + b)], _inputs, retain_graph: true, allow_unused: true).Select(OrNull)];
        }

        private static Tensor? OrNull(Tensor t) => t.IsInvalid ? null : t;
    }
}
