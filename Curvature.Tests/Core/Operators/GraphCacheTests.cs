using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

/// <summary>Graphs kept over passes that did not end.</summary>
public class GraphCacheTests
{
    [Fact]
    public void A_graph_that_fails_after_a_pass_that_was_interrupted_leaves_products_as_they_are()
    {
        using DisposeScope scope = NewDisposeScope();
        Failing model = new();
        Batch[] batches = [.. Enumerable.Range(0, 3).Select(_ => new Batch(randn([5, 4], ScalarType.Float64).to(Here), randn([5, 3], ScalarType.Float64).to(Here)))];
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), batches);
        Tensor v = ones(objective.Parameters.Count, ScalarType.Float64, device: Here);
        foreach (bool byLayers in new[] { true, false })
        {
            CurvatureOptions options = new() { ByLayers = byLayers };
            for (int interrupted = 1; interrupted < 12; interrupted++) // some of them in the pass that makes the graphs, after the second
            {
                using HessianOperator a = new(objective, options);
                model.Left = interrupted;
                Record.Exception(() => a.Apply(v));
                using (no_grad())
                {
                    objective.Parameters.Parameters[0].mul_(1.01);
                }

                model.Left = 1;
                Record.Exception(() => a.Apply(v));
                model.Left = int.MaxValue;
                using HessianOperator fresh = new(objective, options with { GraphMemory = 0 });
                Assert.True(Matrices.RelativeDifference(a.Apply(v), fresh.Apply(v)) < 1e-12);
                Assert.True(Matrices.RelativeDifference(a.Apply(v), fresh.Apply(v)) < 1e-12);
            }
        }
    }

    /// <summary>A network whose calls end in an error once.</summary>
    private sealed class Failing : nn.Module<Tensor, Tensor>
    {
        private readonly Linear first = nn.Linear(4, 6, dtype: ScalarType.Float64);
        private readonly Linear second = nn.Linear(6, 3, dtype: ScalarType.Float64);

        public Failing()
            : base(nameof(Failing))
        {
            RegisterComponents();
            this.to(Here);
        }

        /// <summary>The call that fails, counted from 1.</summary>
        public int Left { get; set; } = int.MaxValue;

        public override Tensor forward(Tensor input) => --Left == 0 ? throw new InvalidOperationException("No memory.") : second.call(first.call(input).tanh());
    }
}
