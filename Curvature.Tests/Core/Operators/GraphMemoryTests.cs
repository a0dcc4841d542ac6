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

/// <summary>The budget for kept graphs against the memory that the graphs take, found by releasing them: main memory, which is that of the pretended device too. Skipped on a GPU.</summary>
public class GraphMemoryTests(ITestOutputHelper output)
{
    [HeapTheory]
    [InlineData("hessian", 60)]
    [InlineData("hessian", 150)]
    [InlineData("hessian, by forms", 60)]
    [InlineData("ggn", 60)]
    [InlineData("ggn", 150)]
    [InlineData("ggn of convolutions", 60)]
    [InlineData("hessian, ragged", 60)]
    [InlineData("hessian, small", 20)]
    public void A_budget_is_kept_within_a_tenth(string matrix, long budget)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        bool forms = matrix.EndsWith("forms", StringComparison.Ordinal), convolutions = matrix != "ggn"; // their Jacobian goes by forward mode and keeps one graph less
        int[] rows = matrix.EndsWith("small", StringComparison.Ordinal) ? [.. Enumerable.Repeat(1, 300)] : matrix.EndsWith("ragged", StringComparison.Ordinal) ? [32, 32, 32, 32, 512, .. Enumerable.Repeat(32, 14)] : [.. Enumerable.Repeat(64, convolutions ? 12 : 32)];
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
            return before - NativeHeap.Allocated() - (v.numel() * v.ElementSize); // its copy of the parameters is no graph
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

    [HeapTheory]
    [InlineData(1, false)]
    [InlineData(1, true)]
    [InlineData(2, false)]
    public void Under_a_budget_that_binds_products_have_the_same_bits_in_each_pass_and_each_run_and_in_one_that_is_resumed(int columns, bool ragged)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        using Counted model = new(Convolutions());
        Batch[] batches = [.. Enumerable.Range(0, 9).Select(i => ragged && i == 5 ? 256 : 64).Select(n => new Batch(randn(n, 1, 28, 28).to(Here), randint(10, [n]).to(Here)))];
        Objective objective = Objective.Supervised(model, new CrossEntropy(), batches);
        Tensor[] vectors = [.. Enumerable.Range(0, 3).Select(_ => randn(objective.Parameters.Count, columns).to(Here))];
        long budget = 9 * Graph() / 2; // four graphs or, where the runtime gives back some mebibytes meanwhile, five

        (Tensor[] first, int calls) = Run(vectors);
        (Tensor[] second, int again) = Run(vectors);
        Assert.All(first.Zip(second), pair => Assert.True(pair.First.Equals(pair.Second)));

        // A job that is resumed has its first products from the journal, and makes its graphs for a later one.
        (Tensor[] resumed, int left) = Run(vectors[2..]);
        Assert.True(first[2].Equals(resumed[0]));
        output.WriteLine($"{budget >> 20} MiB: {calls}, {again} and {left} evaluations of {batches.Length} batches in a pass");
        Assert.All((int[])[calls, again, left], evaluated => Assert.InRange(evaluated, 1, batches.Length - 1));

        // The products of some vectors, and the evaluations of the model in a pass after them.
        (Tensor[] Products, int Calls) Run(Tensor[] wanted)
        {
            using HessianOperator a = new(objective, new CurvatureOptions { GraphMemory = budget });
            Tensor[] products = [.. wanted.Select(a.Apply)];
            Assert.Null(a.LayersObstacle);
            int before = model.Calls;
            a.Apply(wanted[0]).Dispose();
            return (products, model.Calls - before);
        }

        // What one batch's takes.
        long Graph()
        {
            HessianOperator one = new(Objective.Supervised(model, new CrossEntropy(), batches[..1]), new CurvatureOptions { GraphMemory = 4096 * NativeHeap.MiB });
            one.Apply(vectors[0]).Dispose();
            long before = NativeHeap.Allocated();
            one.Dispose();
            return before - NativeHeap.Allocated();
        }
    }

    /// <summary>A network that counts its evaluations.</summary>
    private sealed class Counted : nn.Module<Tensor, Tensor>
    {
        private readonly Sequential layers;

        public Counted(Sequential layers)
            : base(nameof(Counted))
        {
            this.layers = layers;
            RegisterComponents();
        }

        public int Calls { get; private set; }

        public override Tensor forward(Tensor input)
        {
            Calls++;
            return layers.call(input);
        }
    }

    private static Sequential Convolutions() => nn.Sequential(
        ("conv1", nn.Conv2d(1, 8, 3, padding: 1)), ("relu1", nn.ReLU()),
        ("conv2", nn.Conv2d(8, 8, 3, padding: 1)), ("relu2", nn.ReLU()),
        ("flat", nn.Flatten()), ("fc", nn.Linear(8 * 28 * 28, 10))).to(Here);

    private static Sequential Perceptron() => nn.Sequential(
        ("flat", nn.Flatten()), ("fc1", nn.Linear(28 * 28, 4096)), ("act1", nn.Tanh()), ("fc2", nn.Linear(4096, 10))).to(Here);
}
