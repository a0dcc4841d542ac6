using System.Collections;
using Curvature.Data;
using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

/// <summary>60,000 images that no memory holds at once, as many as Fashion-MNIST has: drawn batch by batch each time they are asked for.</summary>
public sealed class StreamedDataTests(ITestOutputHelper output)
{
    private const int BatchSize = 1000, Batches = 60, Every = 5;

    // 1000 images of 28 x 28 in float32; all of them would be 60 times that.
    private const double BatchMiB = BatchSize * 784 * 4.0 / NativeHeap.MiB;

    [Theory]
    [InlineData("hessian")]
    [InlineData("ggn")]
    [InlineData("empirical-fisher")]
    public void Memory_is_flat_over_a_pass_and_over_products(string matrix)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        Sequential model = nn.Sequential(("flat", nn.Flatten()), ("fc1", nn.Linear(784, 8)), ("act", nn.Tanh()), ("fc2", nn.Linear(8, 10))).to(Here);
        var images = new Stream();
        Objective objective = Objective.Supervised(model, new CrossEntropy(), images);
        using CurvatureOperator a = KnownOperators.Create(matrix, objective, new CurvatureOptions { GraphMemory = 0 });

        // The first products check the objective and warm heap and runtime up; then 2 passes of 2 products each.
        Tensor V = randn(a.Columns, 2).to(Here);
        foreach (bool watched in new[] { false, true })
        {
            images.Watched = watched;
            new HutchinsonTrace { MaxProbes = 2, Seed = 1 }.Estimate(a);
            a.Apply(V).Dispose();
        }

        Assert.Equal(2 * Batches / Every, images.Heights.Count);
        double lowest = images.Heights.Min(), highest = images.Heights.Max();
        output.WriteLine($"{matrix}: {lowest:F2} to {highest:F2} MiB over {2 * Batches} batches of {BatchMiB:F2} MiB: {string.Join(' ', images.Heights.Select(h => $"{h:F2}"))}");

        double growth = NativeHeap.MedianGrowth(images.Heights);
        Assert.True(growth < 0.004 * BatchMiB, $"grows by {growth * 1024:F0} KiB over {Every} batches");
        Assert.True(highest - lowest < Every * BatchMiB, "several batches are held at once"); // the runtime beside it takes a few MiB now and then, and gives them back
    }

    [HeapTheory]
    [InlineData("hessian")]
    [InlineData("ggn")]
    public void With_a_named_budget_memory_rises_to_it_and_is_flat_from_there(string matrix)
    {
        const double Budget = 20 * NativeHeap.MiB;
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        Sequential model = nn.Sequential(("flat", nn.Flatten()), ("fc1", nn.Linear(784, 8)), ("act", nn.Tanh()), ("fc2", nn.Linear(8, 10))).to(Here);
        var images = new Stream { Watched = true };
        Objective objective = Objective.Supervised(model, new CrossEntropy(), images);
        Tensor V = randn(objective.Parameters.Count, 2).to(Here);
        objective.Value();
        double before = images.Heights.Max();
        images.Heights.Clear();
        using CurvatureOperator a = KnownOperators.Create(matrix, objective, new CurvatureOptions { GraphMemory = (long)Budget });
        for (int product = 0; product < 3; product++)
        {
            a.Apply(V).Dispose();
        }

        double[] above = [.. images.Heights.Select(height => height - before)];
        output.WriteLine($"{matrix}: {string.Join(' ', above.Select(h => $"{h:F2}"))} MiB");
        Assert.InRange(above.Max(), 0.6 * Budget / NativeHeap.MiB, (1.1 * Budget / NativeHeap.MiB) + BatchMiB);
        Assert.InRange(above[(Batches / Every)..].Max() - above[(Batches / Every)..].Min(), 0, 2 * BatchMiB);
    }

    /// <summary>Batches made when they are asked for and let go of when the next one is; notes what is allocated between two.</summary>
    private sealed class Stream : IEnumerable<Batch>
    {
        public List<double> Heights { get; } = [];

        public bool Watched { get; set; }

        public IEnumerator<Batch> GetEnumerator()
        {
            for (int i = 0; i < Batches; i++)
            {
                using Generator generator = new((ulong)i);
                using Tensor x = empty([BatchSize, 1, 28, 28]).normal_(0, 1, generator).to(Here).DetachFromDisposeScope();
                using Tensor rising = arange(BatchSize, ScalarType.Int64, device: Here).DetachFromDisposeScope(), y = rising.remainder(10).DetachFromDisposeScope();
                if (Watched && i % Every == 0)
                {
                    Heights.Add(NativeHeap.Allocated() / (double)NativeHeap.MiB);
                }

                yield return new Batch(x, y);
            }
        }

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
