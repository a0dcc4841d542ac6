using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Objectives;

public sealed class ObjectiveTests
{
    public static TheoryData<string> Cases => [.. Problems.Names];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Ragged_batches_give_the_value_and_gradient_of_the_whole(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        Objective whole = problem.Objective(), ragged = problem.Objective(3, 1, 2, 1);
        Assert.Equal(whole.Value(), ragged.Value(), 1e-12);
        Assert.True(Matrices.RelativeDifference(ragged.Gradient(), whole.Gradient()) < 1e-12);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_value_is_the_loss_of_the_whole_data(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        double expected = problem.Loss.Value(problem.Model.forward(problem.Inputs), problem.Targets).ToDouble();
        Assert.Equal(expected, problem.Objective(4, 3).Value(), 1e-12);
    }

    [Fact]
    public void The_quadratic_term_counts_once()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        Objective plain = problem.Objective(4, 3), damped = Objective.Supervised(problem.Model, problem.Loss, problem.Batches(4, 3), l2: 0.3);
        Tensor theta = plain.Parameters.Snapshot();
        Assert.Equal(plain.Value() + (0.15 * theta.dot(theta).ToDouble()), damped.Value(), 1e-12);
        Assert.True(Matrices.RelativeDifference(damped.Gradient(), plain.Gradient().add(theta.mul(0.3))) < 1e-13);
        Assert.Throws<CurvatureException>(() => Objective.Supervised(problem.Model, problem.Loss, problem.Batches(), l2: -1));
    }

    [Fact]
    public void A_closure_weighs_its_batches_by_their_terms()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(tensor([1.0, 2.0], device: Here));
        double[][] batches = [[1, 2, 3], [10]];
        Objective objective = Objective.FromClosure(
            new ParameterSpace([("theta", theta)]), batches, b => theta.sum().mul(b.Average()), b => b.Length);
        Assert.Equal(3 * 4.0, objective.Value(), 1e-12); // sum(theta) times the mean of 1, 2, 3, 10
        Assert.Equal([4.0, 4.0], objective.Gradient().cpu().data<double>().ToArray());
    }

    [Fact]
    public void A_closure_may_differentiate_its_own_outputs()
    {
        // A physics-informed network for u' = cos x: the loss holds du/dx.
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(5);
        Sequential u = nn.Sequential(
            ("fc1", nn.Linear(1, 4, dtype: ScalarType.Float64)), ("tanh", nn.Tanh()), ("fc2", nn.Linear(4, 1, dtype: ScalarType.Float64))).to(Here);
        Tensor Residual(Tensor points)
        {
            Tensor x = points.clone().requires_grad_();
            Tensor slope = autograd.grad([u.forward(x).sum()], [x], create_graph: true, retain_graph: true)[0];
            return slope.sub(x.cos()).square().mean();
        }

        Tensor[] batches = [tensor([0.0, 0.5, 1.0], device: Here).unsqueeze(1), tensor([1.0, 2.0], device: Here).unsqueeze(1)];
        Objective objective = Objective.FromClosure(ParameterSpace.Of(u), batches, Residual, x => x.shape[0]);
        double expected = batches.Sum(x => Residual(x).ToDouble() * x.shape[0]) / 5;
        Assert.Equal(expected, objective.Value(), 1e-14);

        using HessianOperator hessian = new(objective);
        Assert.True(Matrices.RelativeDifference(hessian.ToDense(), from_array(DenseHessian.ByDifferences(objective))) < 1e-7);
    }

    [Fact]
    public void Evaluation_leaves_no_trace_on_model_gradients_and_random_state()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(3);
        Sequential model = nn.Sequential(("fc", nn.Linear(4, 3)), ("norm", nn.BatchNorm1d(3))).to(Here);
        model.train();
        Tensor marker = ones(3, 4, device: Here);
        model.parameters().First().grad = marker;
        Tensor[] buffers = [.. model.named_buffers().Select(b => b.buffer.clone())];
        Tensor state = random.get_rng_state();
        Objective objective = Objective.Supervised(model, new CrossEntropy(), [new Batch(randn(8, 4).to(Here), zeros(8, ScalarType.Int64, device: Here))]);
        random.set_rng_state(state);

        objective.CheckDeterminism();
        objective.Value();
        objective.Gradient();

        Assert.True(random.get_rng_state().Equals(state));
        Assert.True(model.training);
        Assert.All(model.named_buffers().Zip(buffers), pair => Assert.True(pair.First.buffer.Equals(pair.Second), pair.First.name));
        Assert.True(model.parameters().First().grad!.Equals(marker));
    }

    [Fact]
    public void Dropout_in_train_mode_is_named()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = nn.Sequential(("fc", nn.Linear(4, 30)), ("drop", nn.Dropout(0.5)), ("out", nn.Linear(30, 3))).to(Here);
        Objective objective = Objective.Supervised(model, new CrossEntropy(), [new Batch(randn(8, 4).to(Here), zeros(8, ScalarType.Int64, device: Here))]);
        string message = Assert.Throws<NonDeterministicException>(objective.CheckDeterminism).Message;
        Assert.Contains("the predictions", message, StringComparison.Ordinal);
        Assert.Contains("dropout", message, StringComparison.Ordinal);
        model.eval();
        objective.CheckDeterminism();
    }

    [Fact]
    public void Shuffled_data_is_named()
    {
        using DisposeScope scope = NewDisposeScope();
        int pass = 0;
        IEnumerable<Batch> Shuffled()
        {
            pass++;
            yield return new Batch(full([8, 4], pass, ScalarType.Float32, device: Here), zeros(8, ScalarType.Int64, device: Here));
        }

        Objective objective = Objective.Supervised(nn.Linear(4, 3).to(Here), new CrossEntropy(), Shuffled());
        Assert.Contains("the data: its inputs", Assert.Throws<NonDeterministicException>(objective.CheckDeterminism).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Labels_out_of_range_and_shapes_that_do_not_fit_are_refused_by_name()
    {
        using DisposeScope scope = NewDisposeScope();
        Linear model = nn.Linear(4, 3).to(Here);
        Objective Of(Tensor inputs, Tensor targets, ISupervisedLoss loss) => Objective.Supervised(model, loss, [new Batch(inputs, targets)]);
        string labels = Assert.Throws<CurvatureException>(() => Of(zeros(2, 4, device: Here), tensor(new long[] { 0, 7 }, device: Here), new CrossEntropy()).Value()).Message;
        Assert.Contains("3 classes", labels, StringComparison.Ordinal);
        Assert.Contains("7", labels, StringComparison.Ordinal);
        string inputs = Assert.Throws<CurvatureException>(() => Of(zeros(2, 5, device: Here), zeros(2, ScalarType.Int64, device: Here), new CrossEntropy()).Value()).Message;
        Assert.Contains("[2, 5]", inputs, StringComparison.Ordinal);
        Assert.Throws<CurvatureException>(() => Of(zeros(2, 4, device: Here), zeros(2, 2, device: Here), new MeanSquaredError()).Value());
        Assert.Throws<CurvatureException>(() => Of(zeros(2, 4, device: Here), full([2, 3], 2, ScalarType.Float32, device: Here), new BinaryCrossEntropy()).Value());
        Assert.Throws<CurvatureException>(() => Of(zeros(2, 4, device: Here), zeros(2, 3, device: Here), new CrossEntropy()).Value());
    }

    [Fact]
    public void No_terms_at_all_is_an_error_and_an_empty_batch_among_others_is_not()
    {
        using DisposeScope scope = NewDisposeScope();
        Linear model = nn.Linear(4, 3).to(Here);
        CrossEntropy loss = new(new LossOptions { IgnoreIndex = 1 });
        Batch ignored = new(ones(2, 4, device: Here), ones(2, ScalarType.Int64, device: Here)), counted = new(ones(2, 4, device: Here), zeros(2, ScalarType.Int64, device: Here));
        Assert.Throws<CurvatureException>(() => Objective.Supervised(model, loss, [ignored]).Value());
        Assert.Throws<CurvatureException>(() => Objective.Supervised(model, loss, []).CheckDeterminism());
        Assert.Equal(
            Objective.Supervised(model, loss, [counted]).Value(), Objective.Supervised(model, loss, [ignored, counted]).Value(), 1e-6);
    }

    [Fact]
    public void A_weight_that_is_not_a_number_is_named()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = nn.Sequential(("fc1", nn.Linear(4, 3)), ("fc2", nn.Linear(3, 3))).to(Here);
        ParameterSpace space = ParameterSpace.Of(model);
        Tensor theta = space.Snapshot();
        theta.narrow(0, space.Offset(2), 1).fill_(double.NaN);
        space.Assign(theta);
        Objective objective = Objective.Supervised(model, new CrossEntropy(), [new Batch(ones(2, 4, device: Here), zeros(2, ScalarType.Int64, device: Here))]);
        Assert.Contains("fc2.weight", Assert.Throws<NonFiniteException>(() => objective.Value()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_source_may_dispose_each_batch_when_it_moves_on_or_keep_them_for_the_next_pass()
    {
        using DisposeScope scope = NewDisposeScope();
        Linear model = nn.Linear(4, 3).to(Here);
        Tensor kept = null!;
        IEnumerable<Batch> Streamed()
        {
            kept ??= zeros(2, ScalarType.Int64, device: Here);
            for (int i = 0; i < 3; i++)
            {
                using Tensor own = full([2, 4], i + 1.0, ScalarType.Float32, device: Here);
                yield return new Batch(own, kept);
            }
        }

        Objective objective = Objective.Supervised(model, new CrossEntropy(), Streamed());
        using Curvature.Operators.HessianOperator hessian = new(objective, new Curvature.Operators.CurvatureOptions { GraphMemory = 0 });
        Tensor first = hessian.Apply(ones(hessian.Columns, device: Here));
        Assert.True(hessian.Apply(ones(hessian.Columns, device: Here)).Equals(first));
        Assert.True(double.IsFinite(objective.Value()));
        Assert.True(objective.Gradient().isfinite().all().ToBoolean());
        kept.Dispose();
    }

    [Fact]
    public void A_loss_that_is_no_scalar_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(ones(3, device: Here));
        Objective objective = Objective.FromClosure(new ParameterSpace([("theta", theta)]), [0], _ => theta.square(), _ => 3);
        Assert.Contains("[3]", Assert.Throws<CurvatureException>(() => objective.Gradient()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_closure_that_seeds_or_draws_leaves_the_random_state_alone()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(ones(3, device: Here));
        Objective objective = Objective.FromClosure(
            new ParameterSpace([("theta", theta)]),
            [0],
            _ =>
            {
                random.manual_seed(5);
                return theta.mul(randn(3).to(Here)).square().sum();
            },
            _ => 1);
        Tensor before = random.get_rng_state();
        objective.CheckDeterminism();
        objective.Value();
        objective.Gradient();
        Assert.True(random.get_rng_state().Equals(before));
    }

    [Fact]
    public void A_model_made_for_one_batch_size_is_measured_at_it()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter weight = new(randn(3, 4).to(Here));
        Objective objective = Objective.Supervised(
            new FixedBatch(weight), new CrossEntropy(), [new Batch(randn(5, 4).to(Here), zeros(5, ScalarType.Int64, device: Here))]);
        using Curvature.Operators.HessianOperator hessian = new(objective);
        Assert.True(hessian.Apply(ones(hessian.Columns, device: Here)).isfinite().all().ToBoolean());
    }

    private sealed class FixedBatch : nn.Module<Tensor, Tensor>
    {
        private readonly Parameter _weight;

        public FixedBatch(Parameter weight) : base(nameof(FixedBatch))
        {
            _weight = weight;
            register_parameter("weight", _weight);
        }

        public override Tensor forward(Tensor input) => input.view(5, 4).mm(_weight.t());
    }

    [Fact]
    public void Cancellation_ends_a_pass_between_batches()
    {
        using DisposeScope scope = NewDisposeScope();
        using CancellationTokenSource source = new();
        Parameter theta = new(ones(1, device: Here));
        int evaluated = 0;
        Objective objective = Objective.FromClosure(
            new ParameterSpace([("theta", theta)]),
            Enumerable.Range(0, 10),
            i =>
            {
                evaluated++;
                source.Cancel();
                return theta.sum();
            },
            _ => 1);
        Assert.Throws<OperationCanceledException>(() => objective.Value(source.Token));
        Assert.Equal(1, evaluated);
    }

    [Fact]
    public void Inputs_are_cast_to_the_models_dtype_but_tokens_never()
    {
        using DisposeScope scope = NewDisposeScope();
        Linear linear = nn.Linear(4, 3, dtype: ScalarType.Float64).to(Here);
        Assert.True(double.IsFinite(
            Objective.Supervised(linear, new CrossEntropy(), [new Batch(ones(2, 4, device: Here), zeros(2, ScalarType.Int64, device: Here))]).Value()));
        Sequential tokens = nn.Sequential(("embed", nn.Embedding(5, 4)), ("flat", nn.Flatten()), ("fc", nn.Linear(8, 3))).to(Here);
        Assert.True(double.IsFinite(
            Objective.Supervised(tokens, new CrossEntropy(), [new Batch(ones(2, 2, ScalarType.Int64, device: Here), zeros(2, ScalarType.Int64, device: Here))]).Value()));
    }
}
