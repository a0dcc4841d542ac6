using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

/// <summary>What is not cut at its layers, or no more, or only in some batches: quadratic forms are the same.</summary>
public sealed class ModelCutsTests
{
    [Fact]
    public void A_model_that_differentiates_itself_is_not_cut() => AssertWhole(new Force(), "differentiates itself");

    [Fact]
    public void A_layer_whose_output_a_hook_changes_is_not_cut()
    {
        Sequential model = nn.Sequential(nn.Linear(4, 3, dtype: ScalarType.Float64), nn.Tanh(), nn.Linear(3, 1, dtype: ScalarType.Float64)).to(Here);
        ((Linear)model.children().First()).register_forward_hook((_, _, output) => output.mul(2));
        AssertWhole(model, "a hook changes what a layer returns");
    }

    [Fact]
    public void A_model_without_linear_layers_is_not_cut() => AssertWhole(new Scale(), "no chosen parameter is the weight of a layer to cut at");

    [Fact]
    public void A_closure_is_not_cut_and_neither_is_what_was_told_not_to_be()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        Objective closure = Objective.FromClosure(problem.Parameters, problem.Batches(4, 3), b => problem.Loss.Value(problem.Model.call(b.Inputs), b.Targets), b => b.Targets.numel());
        AssertWhole(closure, null, "no C# model");
        AssertWhole(problem.Objective(4, 3), new CurvatureOptions { ByLayers = false }, nameof(CurvatureOptions.ByLayers));
    }

    [Fact]
    public void A_hook_that_changes_some_batches_only_or_comes_later_is_followed()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(8);
        Sequential model = Perceptron();
        Tensor x = randn(5, 4, ScalarType.Float64).to(Here), far = x.clone();
        far.narrow(0, 4, 1).fill_(9);
        using HessianOperator hessian = new(Objective.Supervised(model, new MeanSquaredError(), [Rows(x), Rows(far)]), new CurvatureOptions { GraphMemory = 0 });
        Tensor V = QuadraticFormsTests.Directions(hessian.Columns);
        QuadraticFormsTests.AssertForms(hessian, hessian.ToDense(), V, 1e-11);

        ((Linear)model.children().First()).register_forward_hook((_, input, output) => output.mul(input.narrow(1, 0, 1).gt(8).to(ScalarType.Float64).add(1)));
        QuadraticFormsTests.AssertForms(hessian, hessian.ToDense(), V, 1e-11);
        Assert.Contains("in some batches", hessian.LayersObstacle, StringComparison.Ordinal); // the two rows it was tried on do not tell
    }

    [Theory]
    [InlineData(2.0)]
    [InlineData(double.NaN)] // another shape
    [InlineData(double.NegativeInfinity)] // a mask
    public void A_hook_that_comes_to_a_convolution_later_is_followed(double factor)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(12);
        Sequential model = nn.Sequential(nn.Conv1d(2, 3, 2, dtype: ScalarType.Float64), nn.Tanh(), nn.Flatten(), nn.Linear(9, 1, dtype: ScalarType.Float64)).to(Here);
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), [new Batch(randn([5, 2, 4], ScalarType.Float64).to(Here), randn(5, 1, ScalarType.Float64).to(Here))]);
        using HessianOperator hessian = new(objective), whole = new(objective, new CurvatureOptions { ByLayers = false });
        Assert.True(Matrices.RelativeDifference(hessian.ToDense(), whole.ToDense()) < 1e-12);
        Assert.Null(hessian.LayersObstacle);
        ((Conv1d)model.children().First()).register_forward_hook((_, _, output) =>
            double.IsNaN(factor) ? output.sin().flatten(1) : double.IsInfinity(factor) ? output.mul(2).masked_fill(output.detach().gt(1), factor) : output.mul(factor));
        using (no_grad())
        {
            objective.Parameters.Parameters[0].mul_(1.1); // graphs are made anew
        }

        Tensor v = ones(hessian.Columns, ScalarType.Float64, device: Here);
        Assert.True(Matrices.RelativeDifference(hessian.Apply(v), whole.Apply(v)) < 1e-12);
        QuadraticFormsTests.AssertForms(hessian, whole.ToDense(), QuadraticFormsTests.Directions(hessian.Columns), 1e-11);
        using HessianOperator late = new(objective); // sees it on trial
        QuadraticFormsTests.AssertForms(late, whole.ToDense(), QuadraticFormsTests.Directions(hessian.Columns), 1e-11);
        Assert.NotNull(late.LayersObstacle);
    }

    [HostTheory("convolutions there may round as much")]
    [InlineData(true)]
    [InlineData(false)]
    public void A_hook_that_rounds_outputs_to_eight_bits_in_single_precision_is_followed(bool isConvolution)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(13);
        nn.Module<Tensor, Tensor> first = isConvolution ? nn.Conv1d(2, 3, 2) : nn.Linear(4, 3);
        Sequential model = nn.Sequential(first, nn.Tanh(), nn.Flatten(), nn.Linear(isConvolution ? 9 : 6, 1));
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), [new Batch(randn([64, 2, 4]), randn(64, 1))]);
        using HessianOperator hessian = new(objective), whole = new(objective, new CurvatureOptions { ByLayers = false });
        Tensor V = QuadraticFormsTests.Directions(hessian.Columns);
        QuadraticFormsTests.AssertForms(hessian, whole.ToDense().to(ScalarType.Float64), V, 1e-5);
        Assert.Null(hessian.LayersObstacle);

        Tensor Rounded(Tensor output)
        {
            Tensor step = output.detach().abs().max().div(127);
            return output.div(step).round().mul(step);
        }

        if (first is Conv1d convolution)
        {
            convolution.register_forward_hook((_, _, output) => Rounded(output));
        }
        else
        {
            ((Linear)first).register_forward_hook((_, _, output) => Rounded(output));
        }

        using (no_grad())
        {
            objective.Parameters.Parameters[0].mul_(1.1); // graphs are made anew
        }

        QuadraticFormsTests.AssertForms(hessian, whole.ToDense().to(ScalarType.Float64), V, 1e-5);
        Assert.Contains("in some batches", hessian.LayersObstacle, StringComparison.Ordinal);
    }

    [Fact]
    public void A_hook_that_comes_later_is_followed_where_the_Hessian_was_zero()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(14);
        Conv1d layer = nn.Conv1d(2, 3, 2, dtype: ScalarType.Float64).to(Here);
        Objective objective = Objective.Supervised(nn.Sequential(layer), new MeanOutput(), [new Batch(randn([5, 2, 4], ScalarType.Float64).to(Here), zeros(5).to(Here))]);
        using HessianOperator hessian = new(objective), whole = new(objective, new CurvatureOptions { ByLayers = false });
        Tensor v = ones(hessian.Columns, ScalarType.Float64, device: Here);
        Assert.Equal(0, hessian.Apply(v).norm().ToDouble());
        Assert.Null(hessian.LayersObstacle);
        layer.register_forward_hook((_, _, output) => output.square());
        using (no_grad())
        {
            objective.Parameters.Parameters[0].mul_(1.1); // graphs are made anew
        }

        Assert.True(whole.Apply(v).norm().ToDouble() > 0.1);
        Assert.True(Matrices.RelativeDifference(hessian.Apply(v), whole.Apply(v)) < 1e-12);
    }

    [Fact]
    public void Nothing_is_left_behind_by_batches_that_are_cut_and_one_that_fails_thereafter()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(11);
        using Fragile model = new();
        Tensor x = randn(5, 4, ScalarType.Float64).to(Here), far = x.clone().fill_(9);
        using HessianOperator hessian = new(Objective.Supervised(model, new MeanSquaredError(), [Rows(x), Rows(far)]), new CurvatureOptions { GraphMemory = 0 });
        Tensor V = QuadraticFormsTests.Directions(hessian.Columns);
        Fail();
        long before = Fail();
        Assert.Equal(before, Fail());
        Assert.Null(hessian.LayersObstacle);

        long Fail()
        {
            using (NewDisposeScope())
            {
                Assert.Throws<InvalidOperationException>(() => hessian.QuadraticForms(V));
            }

            return DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        }
    }

    [Theory]
    [InlineData("0.weight")]
    [InlineData("0.bias")]
    public void A_parameter_frozen_after_the_operator_was_made_is_a_constant_and_thawed_is_none(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(9);
        Sequential model = Perceptron();
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), [Rows(randn(5, 4, ScalarType.Float64).to(Here))]);
        using HessianOperator early = new(objective), late = new(objective);
        Tensor V = QuadraticFormsTests.Directions(early.Columns);
        double[][] all = late.QuadraticForms(V, late.Parameters);
        foreach (bool isLive in (bool[])[false, true])
        {
            model.get_parameter(name)!.requires_grad = isLive;
            using HessianOperator whole = new(objective, new CurvatureOptions { ByLayers = false });
            QuadraticFormsTests.AssertForms(early, whole.ToDense(), V, 1e-11);
            QuadraticFormsTests.AssertForms(late, whole.ToDense(), V, 1e-11);
        }

        Assert.Equal(all, late.QuadraticForms(V, late.Parameters));
    }

    [Fact]
    public void A_model_that_fails_when_its_layers_outputs_are_replaced_is_not_cut() => AssertWhole(new Possessive(), "the model fails");

    [Fact]
    public void A_parameter_of_three_dimensions_is_no_convolution()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(10);
        using Positions model = new();
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), [new Batch(randn([5, 3, 4], ScalarType.Float64).to(Here), randn([5, 3, 1], ScalarType.Float64).to(Here))]);
        using HessianOperator hessian = new(objective);
        QuadraticFormsTests.AssertForms(hessian, hessian.ToDense(), QuadraticFormsTests.Directions(hessian.Columns), 1e-11);
        Assert.Null(hessian.LayersObstacle);
    }

    private static Sequential Perceptron() => nn.Sequential(nn.Linear(4, 3, dtype: ScalarType.Float64), nn.Tanh(), nn.Linear(3, 1, dtype: ScalarType.Float64)).to(Here);

    private static Batch Rows(Tensor inputs) => new(inputs, randn(inputs.shape[0], 1, ScalarType.Float64).to(Here));

    private static void AssertWhole(nn.Module<Tensor, Tensor> model, string obstacle)
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(4);
        AssertWhole(Objective.Supervised(model, new MeanSquaredError(), [new Batch(randn(5, 4, ScalarType.Float64).to(Here), randn(5, 1, ScalarType.Float64).to(Here))]), null, obstacle);
    }

    private static void AssertWhole(Objective objective, CurvatureOptions? options, string obstacle)
    {
        using HessianOperator hessian = new(objective, options);
        QuadraticFormsTests.AssertForms(hessian, hessian.ToDense(), QuadraticFormsTests.Directions(hessian.Columns), 1e-11);
        Assert.Contains(obstacle, hessian.LayersObstacle, StringComparison.Ordinal);
    }

    /// <summary>The mean of the outputs, linear in them.</summary>
    private sealed class MeanOutput : ISupervisedLoss
    {
        public string Name => "mean output";

        public Reduction Reduction => Reduction.Mean;

        public Tensor Value(Tensor outputs, Tensor targets) => outputs.mean();

        public double Terms(Tensor targets) => targets.numel();

        public void Check(Tensor outputs, Tensor targets) => Assert.Equal(outputs.shape[0], targets.shape[0]);
    }

    /// <summary>The slope of an energy along its input: a model that is a derivative.</summary>
    private sealed class Force : nn.Module<Tensor, Tensor>
    {
        private readonly Linear first = nn.Linear(4, 3, dtype: ScalarType.Float64).to(Here), second = nn.Linear(3, 1, dtype: ScalarType.Float64).to(Here);

        public Force() : base("force") => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            using IDisposable grad = enable_grad();
            Tensor x = input.detach().requires_grad_(), energy = second.call(first.call(x).tanh()).sum();
            return autograd.grad([energy], [x], retain_graph: true, create_graph: true, allow_unused: true)[0].sum(1, keepdim: true);
        }
    }

    /// <summary>A parameter that belongs to no layer.</summary>
    private sealed class Scale : nn.Module<Tensor, Tensor>
    {
        private readonly Parameter scale = new(ones(4, ScalarType.Float64, device: Here));

        public Scale() : base("scale") => RegisterComponents();

        public override Tensor forward(Tensor input) => input.mul(scale.exp()).sum(1, keepdim: true);
    }

    /// <summary>Insists on the very tensor that its layer made.</summary>
    private sealed class Possessive : nn.Module<Tensor, Tensor>
    {
        private readonly Linear layer = nn.Linear(4, 1, dtype: ScalarType.Float64).to(Here);
        private Tensor? _made;

        public Possessive() : base("possessive")
        {
            RegisterComponents();
            layer.register_forward_hook((_, _, output) => _made = output);
        }

        public override Tensor forward(Tensor input) =>
            ReferenceEquals(layer.call(input), _made) ? _made!.square() : throw new CurvatureException("This is not what the layer made.");
    }

    /// <summary>Refuses what is far out, after its layer has seen it.</summary>
    private sealed class Fragile : nn.Module<Tensor, Tensor>
    {
        private readonly Linear layer = nn.Linear(4, 1, dtype: ScalarType.Float64).to(Here);

        public Fragile() : base("fragile") => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            Tensor output = layer.call(input).tanh();
            return input.max().ToDouble() < 8 ? output : throw new InvalidOperationException("This is too far out.");
        }
    }

    /// <summary>A sequence with an embedding of its positions.</summary>
    private sealed class Positions : nn.Module<Tensor, Tensor>
    {
        private readonly Linear layer = nn.Linear(4, 1, dtype: ScalarType.Float64).to(Here);
        private readonly Parameter embedding = new(ones([1, 3, 4], ScalarType.Float64, device: Here));

        public Positions() : base("positions") => RegisterComponents();

        public override Tensor forward(Tensor input) => layer.call(input.add(embedding).tanh());
    }
}
