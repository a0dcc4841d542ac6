using System.Globalization;
using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

/// <summary>What products take beside the logits of a vocabulary of 50,000, by the highest resident memory that the kernel has seen: of tensors so large each is a mapping of its own, given back when it goes.</summary>
public sealed class VocabularyMemoryTests(ITestOutputHelper output)
{
    private const long Tokens = 256, Vocabulary = 50_000;

    private const double LogitsMiB = Tokens * Vocabulary * 4.0 / NativeHeap.MiB;

    [HeapTheory]
    [InlineData("ggn")]
    [InlineData("fisher")]
    [InlineData("empirical-fisher")]
    public void Products_take_a_few_tensors_of_the_logits_size_and_nothing_larger(string matrix)
    {
        Assert.True(LogitsMiB > 32, "mappings of their own begin at 32 MiB at the latest");
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        Sequential model = nn.Sequential(("tokens", nn.Embedding(10, 2)), ("act", nn.Tanh()), ("head", nn.Linear(2, Vocabulary))).to(Here);
        Tensor x = arange(Tokens, ScalarType.Int64, device: Here).remainder(10), y = arange(Tokens, ScalarType.Int64, device: Here).mul(191);
        Objective objective = Objective.Supervised(model, new CrossEntropy(new LossOptions { LabelSmoothing = 0.1, IgnoreIndex = 0 }), [new Batch(x, y)]);
        Tensor v = randn(objective.Parameters.Count).to(Here);
        using CurvatureOperator a = KnownOperators.Create(matrix, objective, new CurvatureOptions { GraphMemory = 2L << 30 });
        double before = Resident("VmRSS");
        double first = PeakOf(() => a.Apply(v)), kept = Resident("VmRSS") - before, again = PeakOf(() => a.Apply(v));
        output.WriteLine(FormattableString.Invariant($"{matrix}, in logits of {LogitsMiB:F1} MiB: the first product {first:F2}, keeps {kept / LogitsMiB:F2}, another {again:F2}"));
        Assert.InRange(first, 0, 8);
        Assert.InRange(kept / LogitsMiB, 0, 4.5); // outputs, probabilities, and what the Jacobian's graph stands on
        Assert.InRange(again, 0, 3.5); // J v, its product with the loss's Hessian, and one between
    }

    /// <summary>How much higher than at its beginning the resident memory was while an action ran, in tensors of the logits' size.</summary>
    private static double PeakOf(Func<Tensor> product)
    {
        File.WriteAllText("/proc/self/clear_refs", "5"); // the highest from now on
        double before = Resident("VmRSS");
        product().Dispose();
        return (Resident("VmHWM") - before) / LogitsMiB;
    }

    /// <summary>A line of /proc/self/status, in MiB.</summary>
    private static double Resident(string name) =>
        double.Parse(File.ReadLines("/proc/self/status").Single(line => line.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
}
