using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Kronecker;
using Curvature.Objectives;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static Curvature.Tests.Core.Kronecker.KroneckerCases;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Kronecker;

/// <summary>What each kind of layer gets, what is said about it, and that it is right: against dense GGN blocks.</summary>
public sealed class RegistrationTests(ITestOutputHelper output)
{
    private static readonly KfacOptions Exact = new() { Gradients = FactorGradients.Exact };

    [Fact]
    public void Normalisations_get_their_whole_block_exactly()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv, batch norm in eval mode");
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(4, 3), problem.Model, Exact);
        AssertLayer(problem, kfac, "norm", BlockKind.Full);
        Problem layered = Problems.Create("layer norm");
        using KfacOperator second = KfacOperator.Of(layered.Objective(4, 3), layered.Model, Exact);
        AssertLayer(layered, second, "norm", BlockKind.Full);
        Assert.Equal(["fc1", "norm", "fc2"], second.Layers);
        Assert.Empty(second.Registration.Fallbacks);
    }

    [Fact]
    public void A_bias_alone_gets_its_whole_block_and_a_weight_alone_its_factors()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem all = Problems.Create("sequence mse");
        Problem biases = new(all.Model, all.Inputs, all.Targets, "mse") { Parameters = ParameterSpace.Of(all.Model, "*.bias") };
        using KfacOperator kfac = KfacOperator.Of(biases.Objective(4, 3), biases.Model, Exact);
        AssertLayer(biases, kfac, "fc1", BlockKind.Full);
        AssertLayer(biases, kfac, "fc2", BlockKind.Full);

        all.Model.get_parameter("fc1.weight")!.requires_grad = false;
        Problem frozen = new(all.Model, all.Inputs, all.Targets, "mse") { Parameters = new ParameterSpace(all.Model.named_parameters().Select(p => (p.name, (Tensor)p.parameter))) };
        using KfacOperator partial = KfacOperator.Of(frozen.Objective(4, 3), frozen.Model, Exact);
        Assert.Equal([BlockKind.Zero, BlockKind.Full, BlockKind.Kronecker, BlockKind.Kronecker], partial.Registration.Parameters.Select(p => p.Kind));
        AssertLayer(frozen, partial, "fc1.bias", BlockKind.Full);
        Assert.Equal(0, partial.LayerTrace("fc1.weight"));
        Assert.Contains("frozen", partial.Registration.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_larger_than_the_limit_gets_its_diagonal()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("layer norm");
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(4, 3), problem.Model, Exact with { FullBlockLimit = 9 });
        RegisteredParameter weight = kfac.Registration.Parameters.First(p => p.Name == "norm.weight");
        Assert.Equal(BlockKind.Diagonal, weight.Kind);
        Assert.Contains("more than 9 entries", weight.Why, StringComparison.Ordinal);
        Tensor dense = DenseCurvature.Ggn(problem, 4, 3), diagonal = kfac.ToDense();
        long first = problem.Parameters.Offset(2);
        Assert.Equal("norm.weight", problem.Parameters.Names[2]);
        Assert.True(Matrices.RelativeDifference(diagonal.narrow(0, first, 10).narrow(1, first, 10), dense.narrow(0, first, 10).narrow(1, first, 10).diagonal().diag()) < 1e-10);
    }

    [Fact]
    public void A_parameter_of_an_unknown_module_gets_an_unbiased_diagonal_and_a_reason()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        Problem problem = new(new Scaled(), Inputs(4), Labels(3, Rows), "cross-entropy");
        Tensor expected = DenseCurvature.Ggn(problem, 4, 3).diagonal();
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(4, 3), problem.Model, Exact);
        output.WriteLine(kfac.Registration.ToString());
        RegisteredParameter scale = kfac.Registration.Parameters.First(p => p.Name == "scale");
        Assert.Equal(BlockKind.BatchDiagonal, scale.Kind);
        Assert.Contains("a Scaled: per-sample gradients are known for Linear, Conv1d", scale.Why, StringComparison.Ordinal);
        Assert.Equal([scale], kfac.Registration.Fallbacks);

        // Signs, and draws: the mean over seeds against the exact diagonal, within four standard errors.
        int at = (int)problem.Parameters.Offset(problem.Parameters.Names.ToList().IndexOf("scale"));
        foreach (FactorGradients gradients in new[] { FactorGradients.Exact, FactorGradients.MonteCarlo })
        {
            double[] traces = [.. Enumerable.Range(0, 200).Select(seed =>
            {
                using KfacOperator one = KfacOperator.Of(problem.Objective(4, 3), problem.Model, new KfacOptions { Gradients = gradients, Seed = seed });
                return one.LayerTrace("scale");
            })];
            double mean = traces.Average(), error = Math.Sqrt(traces.Sum(t => (t - mean) * (t - mean)) / 199 / 200), exact = expected.narrow(0, at, 3).sum().ToDouble();
            output.WriteLine($"{gradients}: {mean} +- {error}, exact {exact}");
            Assert.True(Math.Abs(mean - exact) < 4 * error);
            Assert.True(error < 0.2 * exact);
        }
    }

    [Fact]
    public void Attention_written_from_linears_gets_factors_and_its_tied_head_a_diagonal()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("attention, tied head, masked targets");
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(4, 3), problem.Model, Exact);
        output.WriteLine(kfac.Registration.ToString());
        Dictionary<string, BlockKind> kinds = kfac.Registration.Parameters.ToDictionary(p => p.Name, p => p.Kind);
        Assert.Equal(BlockKind.BatchDiagonal, kinds["symbols.weight"]);
        Assert.All(new[] { "query.weight", "key.weight", "value.weight", "value.bias" }, name => Assert.Equal(BlockKind.Kronecker, kinds[name]));
        Assert.Equal(BlockKind.Full, kinds["norm.weight"]);
        Assert.Contains("also acts outside", kfac.Registration.Fallbacks.Single().Why, StringComparison.Ordinal);
        AssertLayer(problem, kfac, "norm", BlockKind.Full);
    }

    [Fact]
    public void A_weight_that_is_an_embedding_and_a_matrix_gets_its_diagonal()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        Problem problem = new(new TiedHead(), Labels(5, Rows, 3), Labels(5, Rows, 3), "cross-entropy");
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(4, 3), problem.Model, Exact);
        Assert.Equal(BlockKind.Diagonal, kfac.Registration.Parameters[0].Kind);
        Assert.Contains("different matrices", kfac.Registration.Parameters[0].Why, StringComparison.Ordinal);
        Assert.True(Matrices.RelativeDifference(kfac.ToDense(), DenseCurvature.Ggn(problem, 4, 3).diagonal().diag()) < 1e-10);
    }

    [Fact]
    public void A_padding_token_that_autograd_skips_is_noticed()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        nn.Module<Tensor, Tensor> model = nn.Sequential(("tokens", nn.Embedding(5, 3, padding_idx: 0, dtype: ScalarType.Float64)), ("fc", Linear(3, 4)), ("flip", new Flip())).to(Here);
        Problem problem = new(model, Labels(5, Rows, 3), Labels(4, Rows, 3), "cross-entropy");
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(4, 3), model, Exact);
        Assert.Equal([BlockKind.BatchDiagonal, BlockKind.Kronecker, BlockKind.Kronecker], kfac.Registration.Parameters.Select(p => p.Kind));
        Assert.Equal(0, kfac.Layer("tokens.weight").ToDense().narrow(0, 0, 3).norm().ToDouble());
    }

    [Fact]
    public void Positions_folded_into_the_rows_are_found_again()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        Problem folded = new(new Folded(), Inputs(3, 4), Inputs(3, 2), "mse");
        nn.Module<Tensor, Tensor> straight = nn.Sequential(("fc1", Linear(4, 3)), ("act", nn.Tanh()), ("fc2", Linear(3, 2))).to(Here);
        using (no_grad())
        {
            foreach ((string name, TorchSharp.Modules.Parameter value) in straight.named_parameters())
            {
                value.copy_(folded.Model.get_parameter(name)!);
            }
        }

        Problem plain = new(straight, folded.Inputs, folded.Targets, "mse");
        foreach (WeightSharing sharing in Enum.GetValues<WeightSharing>())
        {
            using EkfacOperator a = EkfacOperator.Of(folded.Objective(4, 3), folded.Model, Exact with { Sharing = sharing });
            using EkfacOperator b = EkfacOperator.Of(plain.Objective(4, 3), straight, Exact with { Sharing = sharing });
            Assert.Empty(a.Registration.Fallbacks);
            Assert.True(Matrices.RelativeDifference(a.ToDense(), b.ToDense()) < 1e-11);
        }
    }

    [Fact]
    public void Batch_norm_in_train_mode_is_a_remark_and_its_own_parameters_get_a_diagonal()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv, batch norm in train mode");
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(), problem.Model, Exact);
        Assert.Contains("'norm' normalises by the batch's statistics", Assert.Single(kfac.Registration.Remarks), StringComparison.Ordinal);
        Assert.Equal(
            [BlockKind.Kronecker, BlockKind.Kronecker, BlockKind.BatchDiagonal, BlockKind.BatchDiagonal, BlockKind.Kronecker, BlockKind.Kronecker],
            kfac.Registration.Parameters.Select(p => p.Kind));
    }

    [Fact]
    public void TorchScript_gets_diagonals_and_is_told_why()
    {
        using DisposeScope scope = NewDisposeScope();
        using LoadedModel model = Checkpoint.Load(Repository.File("Curvature.Tests/Fixtures/torchscript/mlp-scripted-f64.pt"), device: Here);
        long inputs = model.Module.named_parameters().First().parameter.shape[1];
        random.manual_seed(1);
        Tensor x = randn([4, inputs], ScalarType.Float64).to(Here), z = ((nn.IModule<Tensor, Tensor>)model.Module).call(x);
        Objective objective = Objective.Supervised(model.Module, new MeanSquaredError(), [new Batch(x, zeros_like(z))]);
        using KfacOperator kfac = KfacOperator.Of(objective, model.Module);
        Assert.All(kfac.Registration.Parameters, p => Assert.Equal(BlockKind.BatchDiagonal, p.Kind));
        Assert.Contains("TorchScript", kfac.Registration.Parameters[0].Why, StringComparison.Ordinal);
        Assert.True(kfac.ExactTrace > 0);
    }

    /// <summary>The block is of the kind expected, and the dense GGN's.</summary>
    private static void AssertLayer(Problem problem, KfacOperator kfac, string layer, BlockKind kind)
    {
        (int Index, RegisteredParameter Item)[] members = [.. kfac.Registration.Parameters.Index().Where(p => p.Item.Block == layer)];
        Assert.All(members, p => Assert.Equal(kind, p.Item.Kind));
        Tensor rows = cat([.. members.Select(p => arange(problem.Parameters.Offset(p.Index), problem.Parameters.Offset(p.Index) + problem.Parameters.Parameters[p.Index].numel(), 1, ScalarType.Int64, device: Here))]);
        Tensor block = DenseCurvature.Ggn(problem, 4, 3).index_select(0, rows).index_select(1, rows);
        Assert.True(Matrices.RelativeDifference(kfac.Layer(layer).ToDense(), block) < 1e-10, $"{Matrices.RelativeDifference(kfac.Layer(layer).ToDense(), block)}");
    }
}
