using Curvature.Kronecker;
using Curvature.Objectives;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static Curvature.Tests.Core.Kronecker.KroneckerCases;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Kronecker;

/// <summary>KFAC's blocks against dense GGN blocks from first principles, where theory says that they are the same, and against definitions elsewhere.</summary>
public sealed class KfacOperatorTests
{
    private static readonly KfacOptions Exact = new() { Gradients = FactorGradients.Exact };

    [Theory]
    [InlineData("tanh-mlp cross-entropy")]
    [InlineData("gelu-mlp cross-entropy sum")]
    [InlineData("relu-mlp smoothed")]
    [InlineData("silu-mlp weighted, ignored")]
    [InlineData("tanh-mlp weighted, smoothed sum")]
    [InlineData("tanh-mlp mse")]
    [InlineData("tanh-mlp bce of three")]
    [InlineData("softmax regression")]
    [InlineData("layer norm")]
    [InlineData("frozen and unused parameters")]
    public void One_sample_gives_the_ggn_block_whatever_the_activation(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem one = FirstRow(Problems.Create(name));
        AssertBlocks(one, DenseCurvature.Ggn(one), Exact, 1e-10);
    }

    [Theory]
    [InlineData("mse", Reduction.Mean)]
    [InlineData("mse", Reduction.Sum)]
    public void Deep_linear_networks_with_squared_error_give_the_ggn_block(string loss, Reduction reduction)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(2);
        Problem problem = new(DeepLinear(), Inputs(4), Inputs(2), loss, new LossOptions { Reduction = reduction });
        AssertBlocks(problem, DenseCurvature.Ggn(problem, 3, 1, 3), Exact, 1e-10, 3, 1, 3);
    }

    [Fact]
    public void Expanding_is_exact_for_deep_linear_networks_with_a_loss_a_position()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(3);
        Problem problem = new(DeepLinear(), Inputs(6, 4), Inputs(6, 2), "mse");
        AssertBlocks(problem, DenseCurvature.Ggn(problem, 4, 3), Exact, 1e-10, 4, 3);
    }

    [Fact]
    public void Reducing_is_exact_for_deep_linear_networks_that_pool_before_the_loss()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(4);
        Problem problem = new(new Pooled(), Inputs(6, 4), Inputs(2), "mse");
        AssertBlocks(problem, DenseCurvature.Ggn(problem, 4, 3), Exact with { Sharing = WeightSharing.Reduce }, 1e-10, 4, 3);
        Assert.True(Error(problem, DenseCurvature.Ggn(problem, 4, 3), Exact) > 1e-2);
    }

    [Fact]
    public void A_layer_called_twice_counts_as_two_positions()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(5);
        Problem halves = new(new Halves(), Inputs(8), Inputs(2), "mse");
        AssertBlocks(halves, DenseCurvature.Ggn(halves, 4, 3), Exact with { Sharing = WeightSharing.Reduce }, 1e-10, 4, 3);

        // Expanded: A and G are sums over both calls, as over two rows.
        Tensor rows = halves.Inputs.reshape(-1, 4);
        Problem plain = new(nn.Sequential(("fc", Linear(4, 2))).to(Here), rows, halves.Targets.repeat(1, 2).reshape(-1, 2), "mse");
        using KfacOperator twice = KfacOperator.Of(halves.Objective(4, 3), halves.Model, Exact), once = KfacOperator.Of(plain.Objective(), plain.Model, Exact);
        Assert.True(Matrices.RelativeDifference(twice.ToDense(), once.ToDense().mul(2)) < 1e-12);
        Assert.Equal(BlockKind.Kronecker, twice.Registration.Parameters[0].Kind);
    }

    [Fact]
    public void A_pointwise_convolution_is_a_linear_layer_over_pixels()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(6);
        Tensor images = Inputs(3, 2, 4);
        nn.Module<Tensor, Tensor> convolution = nn.Conv2d(3, 2, 1, dtype: ScalarType.Float64).to(Here), linear = Linear(3, 2);
        Share(convolution, linear);
        Problem pixels = new(convolution, images, Inputs(2, 2, 4), "mse");
        Problem rows = new(linear, images.permute(0, 2, 3, 1).reshape(Rows, -1, 3), pixels.Targets.permute(0, 2, 3, 1).reshape(Rows, -1, 2), "mse");
        foreach (WeightSharing sharing in Enum.GetValues<WeightSharing>())
        {
            using KfacOperator a = KfacOperator.Of(pixels.Objective(4, 3), convolution, Exact with { Sharing = sharing });
            using KfacOperator b = KfacOperator.Of(rows.Objective(4, 3), linear, Exact with { Sharing = sharing });
            Assert.True(Matrices.RelativeDifference(a.ToDense(), b.ToDense()) < 1e-12);
        }
    }

    [Theory]
    [InlineData(1, 0, 1, 1)]
    [InlineData(2, 1, 1, 1)]
    [InlineData(1, 2, 2, 1)]
    [InlineData(2, 2, 2, 2)]
    [InlineData(3, 0, 1, 4)]
    public void A_convolution_is_a_linear_layer_on_patches(long stride, long padding, long dilation, long groups)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(7);
        Tensor images = Inputs(4, 7, 6);
        nn.Module<Tensor, Tensor> model = nn.Conv2d(4, 8, 3, stride, padding, dilation, PaddingModes.Zeros, groups, dtype: ScalarType.Float64).to(Here);
        Tensor outputs = model.call(images);
        Problem problem = new(model, images, randn(outputs.shape, ScalarType.Float64).to(Here), "mse");
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(4, 3), model, Exact);

        // Patches by unfold; the same linear layer for each group.
        Tensor patches = nn.functional.unfold(images, (3, 3), (dilation, dilation), (padding, padding), (stride, stride)); // [N, C 9, T]
        long count = 4 / groups * 9, positions = patches.shape[2];
        Tensor a = cat([patches.reshape(Rows, groups, count, positions), ones(Rows, groups, 1, positions, ScalarType.Float64, device: Here)], 2);
        for (long g = 0; g < groups; g++)
        {
            Tensor columns = a.select(1, g).permute(1, 0, 2).reshape(count + 1, -1);
            Tensor A = columns.mm(columns.t()).div(Rows * positions);
            double curvature = 2.0 / outputs.numel() * Rows * positions; // the loss's Hessian 2 / numel at each of N T positions
            long outs = 8 / groups;
            Tensor expected = eye(outs, outs, ScalarType.Float64, device: Here).mul(curvature).kron(A);
            Assert.True(Matrices.RelativeDifference(Group(kfac.ToDense(), g, outs, count, 8), expected) < 1e-11);
        }
    }

    [Fact]
    public void Second_moments_of_many_large_images_are_those_of_few_at_a_time()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(9);
        nn.Module<Tensor, Tensor> model = nn.Sequential(("conv", nn.Conv2d(1, 2, 3, padding: 1, dtype: ScalarType.Float64)), ("act", nn.ReLU())).to(Here);

        // More patches than are gone through at once; a tenth of the positions see dead units alone, and count for neither.
        Problem problem = new(model, randn([30, 1, 64, 64], ScalarType.Float64).to(Here), randn([30, 2, 64, 64], ScalarType.Float64).to(Here), "mse");
        foreach (FactorGradients gradients in (FactorGradients[])[FactorGradients.Empirical, FactorGradients.Identity])
        {
            KfacOptions options = new() { Gradients = gradients };
            using KfacOperator whole = KfacOperator.Of(problem.Objective(), model, options), parts = KfacOperator.Of(problem.Objective(7, 3, 10, 10), model, options);
            Assert.True(Matrices.RelativeDifference(whole.ToDense(), parts.ToDense()) < 1e-12);
        }
    }

    [Fact]
    public void Ignored_positions_count_for_neither_factor()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(8);
        Tensor x = Inputs(4), y = Labels(3, Rows), kept = y.ne(0);
        nn.Module<Tensor, Tensor> model = nn.Sequential(("fc1", Linear(4, 5)), ("act", nn.Tanh()), ("fc2", Linear(5, 3))).to(Here);
        Problem masked = new(model, x, y, "cross-entropy", new LossOptions { IgnoreIndex = 0 });
        Problem without = new(model, x.index(kept), y.masked_select(kept), "cross-entropy");
        foreach (FactorGradients gradients in new[] { FactorGradients.Exact, FactorGradients.Empirical, FactorGradients.Identity })
        {
            using KfacOperator a = KfacOperator.Of(masked.Objective(4, 3), model, Exact with { Gradients = gradients });
            using KfacOperator b = KfacOperator.Of(without.Objective(), model, Exact with { Gradients = gradients });
            Assert.True(Matrices.RelativeDifference(a.ToDense(), b.ToDense()) < 1e-12, $"{gradients}");
        }

        // Positions of a sequence, in both regimes.
        Problem tokens = Tokens(new LossOptions { IgnoreIndex = 3 });
        Tensor flat = tokens.Targets.reshape(-1), valid = flat.ne(3);
        Problem rows = new(nn.Sequential(("tokens", Child(tokens, 0)), ("fc", Child(tokens, 1))).to(Here),
            tokens.Inputs.reshape(-1).masked_select(valid), flat.masked_select(valid), "cross-entropy");
        using KfacOperator c = KfacOperator.Of(tokens.Objective(4, 3), tokens.Model, Exact), d = KfacOperator.Of(rows.Objective(), rows.Model, Exact);
        Assert.True(Matrices.RelativeDifference(c.ToDense(), d.ToDense()) < 1e-12);
    }

    [Theory]
    [InlineData("tanh-mlp weighted, smoothed, ignored")]
    [InlineData("tanh-mlp bce of three sum")]
    [InlineData("conv, a label a pixel, ignored")]
    [InlineData("attention, tied head, masked targets")]
    public void The_division_into_batches_does_not_matter(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        bool tied = problem.Model is AttentionNetwork; // random signs of its tied weight differ between divisions
        using KfacOperator ragged = KfacOperator.Of(problem.Objective(3, 1, 3), problem.Model, Exact), whole = KfacOperator.Of(problem.Objective(), problem.Model, Exact);
        foreach (string layer in ragged.Layers.Where(l => !tied || !l.StartsWith("symbols", StringComparison.Ordinal)))
        {
            Assert.True(Matrices.RelativeDifference(ragged.Layer(layer).ToDense(), whole.Layer(layer).ToDense()) < 1e-11, layer);
        }
    }

    [Fact]
    public void Draws_converge_to_the_exact_factors_and_observed_gradients_are_those_of_the_empirical_fisher()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        using KfacOperator exact = KfacOperator.Of(problem.Objective(4, 3), problem.Model, Exact);
        using KfacOperator drawn = KfacOperator.Of(problem.Objective(4, 3), problem.Model, new KfacOptions { Samples = 2000, Seed = 1 });
        Assert.True(Matrices.RelativeDifference(drawn.ToDense(), exact.ToDense()) < 4 / Math.Sqrt(2000), "2000 draws: 1 / sqrt(2000) relative, within four");
        using KfacOperator again = KfacOperator.Of(problem.Objective(4, 3), problem.Model, new KfacOptions { Samples = 2000, Seed = 1 });
        Assert.True(again.ToDense().Equals(drawn.ToDense()));

        Problem one = FirstRow(problem);
        AssertBlocks(one, DenseCurvature.EmpiricalFisher(one), new KfacOptions { Gradients = FactorGradients.Empirical }, 1e-10);
        AssertBlocks(one, DenseCurvature.Fisher(one, 5), new KfacOptions { Seed = 5 }, 1e-10);
    }

    [Fact]
    public void The_identity_in_place_of_gradients_leaves_the_inputs()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(9);
        foreach (Reduction reduction in Enum.GetValues<Reduction>())
        {
            Problem problem = new(nn.Sequential(("fc", Linear(4, 2))).to(Here), Inputs(4), Inputs(2), "mse", new LossOptions { Reduction = reduction });
            using KfacOperator foof = KfacOperator.Of(problem.Objective(4, 3), problem.Model, new KfacOptions { Gradients = FactorGradients.Identity });
            Tensor a = cat([problem.Inputs, ones(Rows, 1, ScalarType.Float64, device: Here)], 1);
            Tensor expected = eye(2, 2, ScalarType.Float64, device: Here).kron(a.t().mm(a).div(reduction == Reduction.Mean ? Rows : 1));
            Assert.True(Matrices.RelativeDifference(Ordered(foof.ToDense(), 2, 4), expected) < 1e-12, $"{reduction}");
        }
    }

    [Theory]
    [InlineData("tanh-mlp cross-entropy", 1e-5)]
    [InlineData("conv", 1e-4)]
    [InlineData("attention, tied head, masked targets", 1e-4)]
    public void Single_precision_agrees_with_double(string name, double tolerance)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        using KfacOperator twice = KfacOperator.Of(problem.Objective(4, 3), problem.Model, Exact);
        problem.Model.to(ScalarType.Float32);
        Objective single = Objective.Supervised(problem.Model, problem.Loss, problem.Batches(4, 3));
        using KfacOperator once = KfacOperator.Of(single, problem.Model, Exact);
        Assert.Equal(ScalarType.Float32, once.DType);
        foreach (string layer in twice.Layers.Where(l => !l.StartsWith("symbols", StringComparison.Ordinal)))
        {
            Assert.True(Matrices.RelativeDifference(once.Layer(layer).ToDense(), twice.Layer(layer).ToDense()) < tolerance, layer);
        }
    }

    [Theory]
    [InlineData("conv, batch norm in eval mode")]
    [InlineData("layer norm")]
    [InlineData("attention, tied head, masked targets")]
    [InlineData("frozen and unused parameters")]
    public void Knows_its_trace_norm_and_log_determinant(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(4, 3), problem.Model, Exact);
        Tensor dense = kfac.ToDense(), v = randn(kfac.Columns, 3, ScalarType.Float64).to(Here);
        Assert.Equal(dense.trace().ToDouble(), kfac.ExactTrace!.Value, 1e-12);
        Assert.Equal(kfac.ExactTrace.Value, kfac.Layers.Sum(kfac.LayerTrace), 1e-12);
        Assert.Equal(dense.norm().ToDouble(), kfac.FrobeniusNorm, 1e-12);
        Assert.Equal(linalg.slogdet(dense.add(eye(kfac.Rows, kfac.Rows, ScalarType.Float64, device: Here).mul(0.03))).Item2.ToDouble(), kfac.LogDeterminant(0.03), 1e-8);
        Assert.True(Matrices.RelativeDifference(kfac.Apply(v), dense.mm(v)) < 1e-12);
        Assert.True(Matrices.RelativeDifference(dense, dense.t()) < 1e-13);
        Assert.True(linalg.eigvalsh(dense).min().ToDouble() > -1e-12);
        IReadOnlyList<Tensor> parts = kfac.Apply(problem.Parameters.Split(v.select(1, 0).contiguous()));
        Assert.True(Matrices.RelativeDifference(problem.Parameters.Flatten(parts), kfac.Apply(v.select(1, 0))) < 1e-13);
    }

    [Fact]
    public void Refuses_what_it_cannot_multiply_or_has_no_data()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(), problem.Model);
        Assert.Contains("[26]", Assert.Throws<CurvatureException>(() => kfac.Apply(zeros(3, ScalarType.Float64, device: Here))).Message, StringComparison.Ordinal);
        Assert.Contains("fc1, fc2", Assert.Throws<CurvatureException>(() => kfac.Layer("fc3")).Message, StringComparison.Ordinal);
        Assert.Contains("positive", Assert.Throws<CurvatureException>(() => kfac.LogDeterminant(0)).Message, StringComparison.Ordinal);
        using KfacFactors empty = new(problem.Model);
        Assert.Contains("No batch has been seen", Assert.Throws<CurvatureException>(() => new KfacOperator(empty)).Message, StringComparison.Ordinal);
        Objective closure = Objective.FromClosure(problem.Parameters, [0], _ => problem.Model.call(problem.Inputs).sum(), _ => 1);
        Assert.Contains("apart", Assert.Throws<CurvatureException>(() => KfacOperator.Of(closure, problem.Model)).Message, StringComparison.Ordinal);
        foreach (KfacOptions bad in new[] { new KfacOptions { Samples = 0 }, new KfacOptions { Decay = 0 }, new KfacOptions { Decay = double.NaN }, new KfacOptions { FullBlockLimit = -1 } })
        {
            Assert.Throws<CurvatureException>(() => new KfacFactors(problem.Model, null, bad));
        }
    }

    private static nn.Module<Tensor, Tensor> Child(Problem problem, int index) => (nn.Module<Tensor, Tensor>)problem.Model.named_children().ElementAt(index).Item2;

    /// <summary>The weights and the bias of a linear layer or convolution, in another's order of dimensions.</summary>
    private static void Share(nn.Module convolution, nn.Module linear)
    {
        using IDisposable noGrad = no_grad();
        linear.get_parameter("weight")!.copy_(convolution.get_parameter("weight")!.reshape(linear.get_parameter("weight")!.shape));
        linear.get_parameter("bias")!.copy_(convolution.get_parameter("bias")!);
    }

    /// <summary>Weight and bias end to end, <c>[out, in]</c> and <c>[out]</c>, in the order of <c>[out, in + 1]</c>.</summary>
    private static Tensor Ordered(Tensor dense, long outputs, long inputs)
    {
        Tensor order = cat([arange(outputs * inputs, ScalarType.Int64, device: Here).reshape(outputs, inputs), arange(outputs, ScalarType.Int64, device: Here).add(outputs * inputs).reshape(outputs, 1)], 1).reshape(-1);
        return dense.index_select(0, order).index_select(1, order);
    }

    /// <summary>One group's part of a convolution's block, in the order of <c>[out, in + 1]</c>.</summary>
    private static Tensor Group(Tensor dense, long group, long outs, long count, long all)
    {
        Tensor weights = arange(outs * count, ScalarType.Int64, device: Here).add(group * outs * count).reshape(outs, count);
        Tensor biases = arange(outs, ScalarType.Int64, device: Here).add((all * count) + (group * outs)).reshape(outs, 1);
        Tensor order = cat([weights, biases], 1).reshape(-1);
        return dense.index_select(0, order).index_select(1, order);
    }

    private static double Error(Problem problem, Tensor dense, KfacOptions options, params long[] sizes)
    {
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(sizes), problem.Model, options);
        return Matrices.RelativeDifference(kfac.ToDense(), Blocks(dense, kfac));
    }

    /// <summary>Every block of KFAC equals the dense matrix's.</summary>
    private static void AssertBlocks(Problem problem, Tensor dense, KfacOptions options, double tolerance, params long[] sizes)
    {
        double error = Error(problem, dense, options, sizes);
        Assert.True(error < tolerance, $"{error}");
    }

    /// <summary>The diagonal blocks of a dense matrix over the parameters of each of KFAC's blocks.</summary>
    public static Tensor Blocks(Tensor dense, LayerwiseOperator kfac)
    {
        Tensor mask = zeros_like(dense);
        foreach (string layer in kfac.Layers)
        {
            Tensor member = zeros(kfac.Parameters.Count, ScalarType.Float64, device: Here);
            foreach ((int i, _) in kfac.Registration.Parameters.Index().Where(p => p.Item.Block == layer))
            {
                member.narrow(0, kfac.Parameters.Offset(i), kfac.Parameters.Parameters[i].numel()).fill_(1);
            }

            mask.add_(member.outer(member));
        }

        return dense.mul(mask);
    }
}
