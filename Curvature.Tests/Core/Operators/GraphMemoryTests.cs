using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

/// <summary>The budget for kept graphs against the memory that the graphs take, found by releasing them: main memory, which is that of the pretended device too. Skipped on a GPU.</summary>
public class GraphMemoryTests
{
    [HeapTheory]
    [InlineData("hessian", 60)]
    [InlineData("hessian", 150)]
    [InlineData("hessian, by forms", 60)]
    [InlineData("ggn", 60)]
    [InlineData("ggn", 150)]
    [InlineData("ggn of convolutions", 60)]
    [InlineData("hessian, ragged", 60)]
    public void A_budget_is_kept_within_a_tenth(string matrix, long budget)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        bool forms = matrix.EndsWith("forms", StringComparison.Ordinal), convolutions = matrix != "ggn"; // their Jacobian goes by forward mode and keeps one graph less
        int[] rows = matrix.EndsWith("ragged", StringComparison.Ordinal) ? [32, 32, 32, 32, 512, .. Enumerable.Repeat(32, 14)] : [.. Enumerable.Repeat(64, convolutions ? 12 : 32)];
        Batch[] batches = [.. rows.Select(n => new Batch(randn(n, 1, 28, 28).to(Here), randint(10, [n]).to(Here)))];
        Objective objective = Objective.Supervised(convolutions ? Convolutions() : Perceptron(), new CrossEntropy(), batches);
        Tensor v = randn(objective.Parameters.Count).to(Here);

        Held(4096); // leaves a heap full of memory that was freed but not given back
        double held = Held(budget) / (double)NativeHeap.MiB;

        Assert.InRange(held, (matrix.StartsWith("hessian", StringComparison.Ordinal) ? 0.5 : 0.2) * budget, (Here.type == DeviceType.CPU ? 1.1 : 1.2) * budget); // a device is asked what is taken of it by anybody

        // Bytes that go when an operator with that budget is disposed of after two products.
        long Held(long graphMemory)
        {
            CurvatureOperator a = KnownOperators.Create(matrix.Split(' ', ',')[0], objective, new CurvatureOptions { GraphMemory = graphMemory * NativeHeap.MiB });
            Use(a);
            Use(a);
            long before = NativeHeap.Allocated();
            a.Dispose();
            return before - NativeHeap.Allocated();
        }

        void Use(CurvatureOperator a)
        {
            if (forms)
            {
                a.QuadraticForms(v.unsqueeze(1));
            }
            else
            {
                a.Apply(v).Dispose();
            }
        }
    }

    private static Sequential Convolutions() => nn.Sequential(
        ("conv1", nn.Conv2d(1, 8, 3, padding: 1)), ("relu1", nn.ReLU()),
        ("conv2", nn.Conv2d(8, 8, 3, padding: 1)), ("relu2", nn.ReLU()),
        ("flat", nn.Flatten()), ("fc", nn.Linear(8 * 28 * 28, 10))).to(Here);

    private static Sequential Perceptron() => nn.Sequential(
        ("flat", nn.Flatten()), ("fc1", nn.Linear(28 * 28, 4096)), ("act1", nn.Tanh()), ("fc2", nn.Linear(4096, 10))).to(Here);
}
