using Curvature.Data;
using Curvature.Estimators;
using Curvature.Kronecker;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Kronecker;

/// <summary>Factors from mini-batches: what fades, what a training step's own backward pass gives, and states.</summary>
public sealed class KfacFactorsTests(ITestOutputHelper output)
{
    private static readonly KfacOptions Exact = new() { Gradients = FactorGradients.Exact };

    [Fact]
    public void Updates_fade_and_batches_count_by_their_size()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        IReadOnlyList<Batch> batches = problem.Batches(4, 3);
        using KfacFactors factors = new(problem.Model, null, Exact with { Decay = 0.8 });
        List<IReadOnlyDictionary<string, Tensor>> alone = [];
        foreach (Batch batch in batches)
        {
            Update(factors, problem, batch);
            using KfacFactors one = KfacFactors.Of(new Problem(problem.Model, batch.Inputs, batch.Targets, "cross-entropy").Objective(), problem.Model, Exact);
            alone.Add(one.StateDict());
        }

        Assert.Equal(2, factors.Updates);
        IReadOnlyDictionary<string, Tensor> state = factors.StateDict();
        Assert.Equal((0.8 * 4) + 3, state["weight"].ToDouble(), 1e-12);
        foreach (string key in state.Keys.Where(k => k.Contains('/', StringComparison.Ordinal)))
        {
            Assert.True(Matrices.RelativeDifference(state[key], alone[0][key].mul(0.8).add(alone[1][key])) < 1e-12, key);
        }

        // With decay 1, batches are what one pass over all of them gives.
        using KfacFactors all = new(problem.Model, null, Exact with { Decay = 1 }), pass = KfacFactors.Of(problem.Objective(4, 3), problem.Model, Exact);
        foreach (Batch batch in batches)
        {
            Update(all, problem, batch);
        }

        using KfacOperator a = new(all), b = new(pass);
        Assert.True(Matrices.RelativeDifference(a.ToDense(), b.ToDense()) < 1e-12);
    }

    [Theory]
    [InlineData("tanh-mlp cross-entropy")]
    [InlineData("gelu-mlp cross-entropy sum")]
    [InlineData("tanh-mlp mse")]
    [InlineData("conv, batch norm in eval mode")]
    [InlineData("layer norm")]
    public void A_training_steps_backward_pass_gives_the_empirical_factors(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        Batch batch = problem.Batches()[0];
        using KfacFactors stepped = new(problem.Model), asked = new(problem.Model, null, new KfacOptions { Gradients = FactorGradients.Empirical });
        Update(asked, problem, batch);
        Step(stepped, problem, batch);
        using KfacOperator a = new(stepped), b = new(asked);
        Assert.True(Matrices.RelativeDifference(a.ToDense(), b.ToDense()) < 1e-11, $"{Matrices.RelativeDifference(a.ToDense(), b.ToDense())}");
        Assert.Equal(b.Registration.Parameters, a.Registration.Parameters);
    }

    [Theory]
    [InlineData("silu-mlp weighted, ignored")]
    [InlineData("tanh-mlp weighted, smoothed, ignored")]
    [InlineData("tanh-mlp weighted, smoothed sum")]
    [InlineData("tanh-mlp bce of three")]
    public void A_training_step_whose_loss_is_known_weighs_samples_as_the_loss_does(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        Batch batch = problem.Batches()[0];
        ICurvatureLoss loss = (ICurvatureLoss)problem.Loss;
        using KfacFactors stepped = new(problem.Model), asked = new(problem.Model, null, new KfacOptions { Gradients = FactorGradients.Empirical });
        Update(asked, problem, batch);
        using LayerRecording recording = stepped.Record();
        Tensor z = problem.Model.call(batch.Inputs);
        loss.Value(z, batch.Targets).backward();
        stepped.Update(recording, z, batch.Targets, loss);
        using KfacOperator a = new(stepped), b = new(asked);
        Assert.True(Matrices.RelativeDifference(a.ToDense(), b.ToDense()) < 1e-11, $"{Matrices.RelativeDifference(a.ToDense(), b.ToDense())}");
    }

    [Fact]
    public void A_training_step_whose_positions_are_weighted_one_by_one_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv, a label a pixel, ignored");
        using KfacFactors factors = new(problem.Model);
        using LayerRecording recording = factors.Record();
        Tensor z = problem.Model.call(problem.Inputs);
        problem.Loss.Value(z, problem.Targets).backward();
        Assert.Contains("weights of their own", Assert.Throws<CurvatureException>(() => factors.Update(recording, z, problem.Targets, (ICurvatureLoss)problem.Loss)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("conv, batch norm in eval mode")]
    [InlineData("tanh-mlp weighted, smoothed, ignored")]
    [InlineData("gelu-mlp cross-entropy sum")]
    public void Parts_make_the_update_of_the_whole_batch(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create(name);
        using KfacFactors whole = new(problem.Model, null, Exact), parted = new(problem.Model, null, Exact);
        for (int i = 0; i < 2; i++)
        {
            Update(whole, problem, problem.Batches()[0]);
            foreach (Batch batch in problem.Batches(4, 3))
            {
                parted.Accumulate(() => problem.Model.call(batch.Inputs), batch.Targets, (ICurvatureLoss)problem.Loss);
            }

            parted.Complete();
        }

        Assert.Equal(2, parted.Updates);
        parted.Complete(); // nothing to complete
        Assert.Equal(2, parted.Updates);
        using KfacOperator a = new(whole), b = new(parted);
        Assert.True(Matrices.RelativeDifference(a.ToDense(), b.ToDense()) < 1e-12);

        // A part that is refused takes those before it along.
        IReadOnlyDictionary<string, Tensor> before = parted.StateDict();
        Batch good = problem.Batches(4, 3)[0];
        parted.Accumulate(() => problem.Model.call(good.Inputs), good.Targets, (ICurvatureLoss)problem.Loss);
        parted.Accumulate(() => problem.Model.call(good.Inputs.mul(double.PositiveInfinity)), good.Targets, (ICurvatureLoss)problem.Loss);
        Assert.Throws<NonFiniteException>(parted.Complete);
        AssertEqual(before, parted.StateDict());
        Assert.Equal(2, parted.Updates);
    }

    [Fact]
    public void A_start_that_counts_alike_is_the_running_mean_of_Martens_and_Grosse()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp cross-entropy");
        using KfacFactors factors = new(problem.Model, null, Exact with { Decay = 0.75, StartsEven = true });
        Tensor? F = null;
        for (int k = 1; k <= 7; k++)
        {
            Tensor inputs = problem.Inputs.mul(k);
            factors.Update(() => problem.Model.call(inputs), problem.Targets, (ICurvatureLoss)problem.Loss);
            Tensor x = cat([inputs, ones(7, 1, ScalarType.Float64, device: Here)], 1), now = x.t().mm(x).div(7);
            double e = Math.Min(1 - (1.0 / k), 0.75);
            F = F is null ? now : F.mul(e).add(now, 1 - e);
            IReadOnlyDictionary<string, Tensor> state = factors.StateDict();
            Assert.True(Matrices.RelativeDifference(state["fc1/A"].squeeze(0).div(state["fc1/A.rows"]), F) < 1e-12);
        }
    }

    [Fact]
    public void A_training_step_finds_what_acts_outside_its_layer_and_squares_its_gradient()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tied weights");
        using KfacFactors factors = new(problem.Model);
        Step(factors, problem, problem.Batches()[0]);
        Assert.Contains("also acts outside", Assert.Single(factors.Registration.Fallbacks).Why, StringComparison.Ordinal);
        using KfacOperator kfac = new(factors);
        double terms = 7;
        Tensor gradient = problem.Parameters.Parameters[0].grad!.reshape(-1);
        Assert.True(Matrices.RelativeDifference(kfac.ToDense(), gradient.square().mul(terms).diag()) < 1e-12);
    }

    [Fact]
    public void The_outputs_of_an_update_complete_the_training_step()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv");
        Batch batch = problem.Batches()[0];
        using KfacFactors factors = new(problem.Model);
        Tensor z = Update(factors, problem, batch);
        problem.Loss.Value(z, batch.Targets).backward();
        Tensor gradient = problem.Parameters.Flatten([.. problem.Parameters.Parameters.Select(p => p.grad!)]);
        Assert.True(Matrices.RelativeDifference(gradient, problem.Objective().Gradient()) < 1e-13);
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float32)]
    public void A_run_resumed_from_its_state_goes_on_bit_for_bit(ScalarType dtype)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach (string name in new[] { "conv, batch norm in eval mode", "attention, tied head, masked targets" })
        {
            Problem problem = Problems.Create(name);
            problem.Model.to(dtype);
            Batch[] batches = [.. problem.Batches(3, 4).Select(b => new Batch(b.Inputs.is_floating_point() ? b.Inputs.to(dtype) : b.Inputs, b.Targets))];
            KfacOptions options = new() { Seed = 9, Samples = 2 };
            using KfacFactors through = new(problem.Model, null, options), resumed = new(problem.Model, null, options);
            Run(through, problem, batches, 3);
            IReadOnlyDictionary<string, Tensor> middle = through.StateDict();
            resumed.LoadStateDict(middle);
            using KfacOperator before = new(through), loaded = new(resumed);
            Tensor v = randn(before.Columns, dtype).to(Here);
            Assert.True(before.Inverse(0.1).Apply(v).Equals(loaded.Inverse(0.1).Apply(v)));

            Run(through, problem, batches, 3);
            Run(resumed, problem, batches, 3);
            AssertEqual(through.StateDict(), resumed.StateDict());
            Assert.Equal(6, resumed.Updates);
            Assert.False(middle[middle.Keys.First(k => k.EndsWith("/G", StringComparison.Ordinal))].Equals(through.StateDict()[middle.Keys.First(k => k.EndsWith("/G", StringComparison.Ordinal))]));
        }
    }

    [Fact]
    public void A_batch_that_is_not_finite_is_refused_and_leaves_the_factors_as_they_were()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using KfacFactors factors = new(problem.Model, null, Exact);
        Batch good = problem.Batches()[0];
        Update(factors, problem, good);
        IReadOnlyDictionary<string, Tensor> before = factors.StateDict();
        Tensor poisoned = good.Inputs.clone();
        poisoned[2, 1] = tensor(double.PositiveInfinity, device: Here);
        Assert.Contains("'fc1'", Assert.Throws<NonFiniteException>(() => Update(factors, problem, new Batch(poisoned, good.Targets))).Message, StringComparison.Ordinal);
        AssertEqual(before, factors.StateDict());

        // A forward pass that fails leaves nothing behind either.
        Assert.ThrowsAny<Exception>(() => factors.Update(() => throw new InvalidOperationException("stop"), good.Targets, (ICurvatureLoss)problem.Loss));
        AssertEqual(before, factors.StateDict());
        Update(factors, problem, good);
        Assert.Equal(2, factors.Updates);
    }

    [Fact]
    public void A_batch_without_terms_is_no_update()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("silu-mlp weighted, ignored");
        using KfacFactors factors = new(problem.Model);
        Tensor ignored = full(3, 2L, ScalarType.Int64, device: Here);
        Update(factors, problem, new Batch(problem.Inputs.narrow(0, 0, 3), ignored));
        Assert.Equal(0, factors.Updates);
    }

    [Fact]
    public void Refuses_states_of_another_model_and_stays_as_it_was()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("layer norm"), other = Problems.Create("conv");
        using KfacFactors factors = KfacFactors.Of(problem.Objective(), problem.Model, Exact), different = KfacFactors.Of(other.Objective(), other.Model, Exact);
        IReadOnlyDictionary<string, Tensor> good = factors.StateDict();
        Assert.Contains("another model", Refusal(factors, different.StateDict()), StringComparison.Ordinal);
        Assert.Contains("no 'fc1/A'", Refusal(factors, good.Where(p => p.Key != "fc1/A").ToDictionary()), StringComparison.Ordinal);
        Assert.Contains("'extra'", Refusal(factors, good.Append(new("extra", zeros(1, device: Here))).ToDictionary()), StringComparison.Ordinal);
        Assert.Contains("'fc2/G'", Refusal(factors, With(good, "fc2/G", zeros([1, 2, 2], ScalarType.Float64, device: Here))), StringComparison.Ordinal);
        Assert.Contains("'fc2/G'", Refusal(factors, With(good, "fc2/G", good["fc2/G"].to(ScalarType.Float32))), StringComparison.Ordinal);
        Assert.Contains("not negative", Refusal(factors, With(good, "updates", tensor(-1L, device: Here))), StringComparison.Ordinal);
        Assert.Contains("'updates'", Refusal(factors, With(good, "updates", zeros(2, ScalarType.Int64, device: Here))), StringComparison.Ordinal);
        Assert.Contains("'updates'", Refusal(factors, With(good, "updates", tensor(2.5, device: Here))), StringComparison.Ordinal);
        Assert.Contains("'weight'", Refusal(factors, With(good, "weight", zeros(0, ScalarType.Float64, device: Here))), StringComparison.Ordinal);
        Assert.Contains("int64", Refusal(factors, With(good, "kinds", good["kinds"].to(ScalarType.Float64))), StringComparison.Ordinal);
        AssertEqual(good, factors.StateDict());
        using KfacFactors small = new(problem.Model, null, Exact with { FullBlockLimit = 3 });
        Assert.Contains("other blocks", Refusal(small, good), StringComparison.Ordinal);
    }

    [Fact]
    public void Refuses_a_step_whose_gradients_have_not_arrived()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("tanh-mlp mse");
        using KfacFactors factors = new(problem.Model);
        using LayerRecording recording = factors.Record();
        problem.Model.call(problem.Inputs);
        Assert.Contains("backward()", Assert.Throws<CurvatureException>(() => factors.Update(recording, KroneckerCases.Rows)).Message, StringComparison.Ordinal);
        Assert.Throws<CurvatureException>(() => factors.Update(recording, 0));
    }

    [Fact]
    public void Leaves_model_gradients_and_random_state_as_they_were()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv, batch norm in train mode");
        Objective objective = problem.Objective();
        Dictionary<string, Tensor> buffers = problem.Model.named_buffers().ToDictionary(b => b.name, b => b.buffer.clone());
        Tensor random = torch.random.get_rng_state();
        using KfacOperator kfac = KfacOperator.Of(objective, problem.Model, Exact);
        Assert.All(problem.Model.named_buffers(), b => Assert.True(b.buffer.Equals(buffers[b.name])));
        Assert.All(problem.Parameters.Parameters, p => Assert.Null(p.grad));
        Assert.True(random.Equals(torch.random.get_rng_state()));
        Tensor z = problem.Model.call(problem.Inputs); // no hook left that would keep it
        Assert.True(z.requires_grad);
    }

    [Fact]
    public void Memory_stays_flat_over_updates()
    {
        using DisposeScope scope = NewDisposeScope();
        Problem problem = Problems.Create("conv, batch norm in eval mode");
        Batch batch = problem.Batches()[0];
        using KfacFactors factors = new(problem.Model, null, Exact);
        Run(factors, problem, [batch], 2);
        long before = Live();
        Run(factors, problem, [batch], 5);
        Assert.Equal(before, Live());
    }

    [Fact]
    public void As_a_control_variate_it_narrows_the_trace_of_the_ggn()
    {
        using DisposeScope scope = NewDisposeScope();
        random.manual_seed(1);
        Problem problem = new(nn.Sequential(("fc", nn.Linear(8, 6, dtype: ScalarType.Float64))).to(Here), randn([40, 8], ScalarType.Float64).to(Here).add(1), KroneckerCases.Labels(6, 40), "cross-entropy");
        using GgnOperator ggn = new(problem.Objective());
        using KfacOperator kfac = KfacOperator.Of(problem.Objective(), problem.Model, Exact);
        double exact = DenseCurvature.Ggn(problem).trace().ToDouble();
        Estimate plain = new HutchinsonTrace { MaxProbes = 40, Seed = 2 }.Estimate(ggn).Total;
        Estimate controlled = new ControlVariateTrace(kfac) { MaxProbes = 40, Seed = 2, FitCoefficient = true }.Estimate(ggn).Total;
        output.WriteLine($"{exact}: {plain}, with KFAC {controlled}");
        Assert.True(controlled.StandardError < 0.5 * plain.StandardError);
        Assert.True(Math.Abs(controlled.Value - exact) < 4 * controlled.StandardError);
    }

    private static long Live() => DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;

    private static Tensor Update(KfacFactors factors, Problem problem, Batch batch) =>
        factors.Update(() => problem.Model.call(batch.Inputs), batch.Targets, (ICurvatureLoss)problem.Loss);

    private static void Run(KfacFactors factors, Problem problem, Batch[] batches, int count)
    {
        for (int i = 0; i < count; i++)
        {
            using DisposeScope scope = NewDisposeScope();
            Update(factors, problem, batches[(int)factors.Updates % batches.Length]);
        }
    }

    private static void Step(KfacFactors factors, Problem problem, Batch batch)
    {
        using LayerRecording recording = factors.Record();
        problem.Loss.Value(problem.Model.call(batch.Inputs), batch.Targets).backward();
        factors.Update(recording, batch.Inputs.shape[0], reduction: problem.Loss.Reduction);
    }

    private static string Refusal(KfacFactors factors, IReadOnlyDictionary<string, Tensor> state) =>
        Assert.Throws<CurvatureException>(() => factors.LoadStateDict(state)).Message;

    private static Dictionary<string, Tensor> With(IReadOnlyDictionary<string, Tensor> state, string key, Tensor value) => new(state) { [key] = value };

    private static void AssertEqual(IReadOnlyDictionary<string, Tensor> a, IReadOnlyDictionary<string, Tensor> b)
    {
        Assert.Equal(a.Keys.Order(), b.Keys.Order());
        Assert.All(a, p => Assert.True(p.Value.Equals(b[p.Key]), p.Key));
    }
}
