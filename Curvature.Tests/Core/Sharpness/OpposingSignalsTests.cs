using Curvature.Data;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Sharpness;

/// <summary>Single examples: of a linear model, where two features oppose each other, and beside one-row objectives of a network.</summary>
public sealed class OpposingSignalsTests
{
    [Fact]
    public void Two_groups_with_one_large_feature_of_opposite_signs_carry_the_sharpness_and_oppose_each_other()
    {
        using DisposeScope scope = NewDisposeScope();
        const double Large = 5, Small = 0.4, Delta = 0.01;
        // x = (signal, +-large feature), all of target 1; three plain rows without the feature.
        Tensor X = tensor(new double[,] { { Small, Large }, { Small, -Large }, { Small, Large }, { Small, -Large }, { 1, 0 }, { 0.5, 0 }, { 0.8, 0 } }, device: Here);
        Tensor Y = ones([7, 1], ScalarType.Float64, device: Here);
        Linear model = nn.Linear(2, 1, hasBias: false, dtype: ScalarType.Float64).to(Here);
        using (no_grad())
        {
            model.weight!.copy_(tensor(new double[,] { { 0.5, Delta } }, device: Here));
        }

        Objective objective = Objective.Supervised(model, new MeanSquaredError(), [new Batch(X.narrow(0, 0, 3), Y.narrow(0, 0, 3)), new Batch(X.narrow(0, 3, 4), Y.narrow(0, 3, 4))]);
        Tensor H = X.t().mm(X).mul(2 / 7.0), w = model.weight!.detach().clone().reshape(-1);
        using HessianOperator hessian = new(objective);
        using Eigenpairs top = new LanczosEigensolver().Solve(hessian);
        Tensor v = top.Vectors.select(1, 0), u = objective.Gradient().mul(-2.4 / top.Values[0].Value); // beyond 2 / lambda: the large feature's weight overshoots
        OpposingSignals found = OpposingSignals.Of(objective, u, v, count: 2);

        Tensor r = X.mv(w).sub(Y.reshape(-1)), after = X.mv(w.add(u)).sub(Y.reshape(-1));
        Assert.Equal(0, found.Changes.Zip(after.square().sub(r.square()).cpu().data<double>()).Max(p => Math.Abs(p.First - p.Second)), 1e-12);
        Assert.Equal([0, 2], found.Increases.Order()); // w_2 turned negative: those with + fall short by more
        Assert.Equal([1, 3], found.Decreases.Order());

        // Equal rows of a group: its gradient is that of one, 2 r x.
        (Tensor rising, Tensor falling) = (X[0].mul(r[0].mul(2)), X[1].mul(r[1].mul(2)));
        Assert.Equal(rising.dot(falling).ToDouble() / (rising.norm().ToDouble() * falling.norm().ToDouble()), found.Cosine, 1e-10);
        Assert.Equal(((Small * Small) - (Large * Large)) / ((Small * Small) + (Large * Large)), found.Cosine, 1e-10);
        Assert.Equal(rising.dot(v).ToDouble() / rising.norm().ToDouble(), found.IncreaseAlong, 1e-10);
        Assert.True(found.IncreaseAlong * found.DecreaseAlong < -0.98);
        Assert.Equal(2 / 7.0 * 2 * Math.Pow(X[0].dot(v).ToDouble(), 2) / top.Values[0].Value, found.ShareOf(found.Increases), 1e-10);
        Assert.InRange(found.ShareOf([.. found.Increases, .. found.Decreases]), 0.98, 1);
        Assert.Equal(1, found.ShareOf(Enumerable.Range(0, 7)), 1e-10);
        Assert.Equal(v.dot(H.mv(v)).ToDouble(), found.Examples.Total, 1e-10);
        Assert.True(w.Equals(model.weight!.detach().reshape(-1)));
        Assert.Throws<CurvatureException>(() => OpposingSignals.Of(objective, u, v, count: 0));
    }

    [Theory]
    [InlineData("cross-entropy", false)]
    [InlineData("cross-entropy", true)]
    [InlineData("mse", false)]
    public void Slope_and_curvature_of_an_example_are_those_of_an_objective_that_holds_it_alone(string loss, bool weighted)
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(1);
        Sequential model = nn.Sequential(nn.Linear(4, 5, dtype: ScalarType.Float64), nn.Tanh(), nn.Linear(5, 3, dtype: ScalarType.Float64)).to(Here);
        Tensor X = randn([6, 4], ScalarType.Float64).to(Here), y = loss == "mse" ? randn([6, 3], ScalarType.Float64).to(Here) : tensor([0L, 1, 2, 2, 1, 0], device: Here);
        LossOptions options = weighted ? new LossOptions { IgnoreIndex = 1, ClassWeights = tensor([1.0, 2, 5], device: Here) } : new LossOptions();
        ICurvatureLoss criterion = (ICurvatureLoss)KnownLosses.Create(loss, options);
        Objective Over(params (int First, int Count)[] batches) =>
            Objective.Supervised(model, criterion, batches.Select(b => new Batch(X.narrow(0, b.First, b.Count), y.narrow(0, b.First, b.Count))).ToArray());
        Objective objective = Over((0, 4), (4, 2));
        Tensor v = randn([objective.Parameters.Count], ScalarType.Float64).to(Here);
        ExampleCurvature examples = ExampleCurvature.Along(objective, v);

        for (int i = 0; i < 6; i++)
        {
            if (weighted && y[i].ToInt64() == 1)
            {
                Assert.Equal((0, 0, 0, 0), (examples.Losses[i], examples.Slopes[i], examples.Curvatures[i], examples.Shares[i]));
                continue;
            }

            Objective one = Over((i, 1));
            using HessianOperator hessian = new(one);
            Assert.Equal(one.Value(), examples.Losses[i], 1e-12);
            Assert.Equal(one.Gradient().dot(v).ToDouble(), examples.Slopes[i], 1e-12);
            Assert.Equal(v.dot(hessian.Apply(v)).ToDouble(), examples.Curvatures[i], 1e-10);
        }

        using HessianOperator whole = new(objective);
        Assert.Equal(v.dot(whole.Apply(v)).ToDouble(), examples.Total, 1e-10);
        Assert.Equal(1, examples.Shares.Sum(), 1e-12);
        Assert.Equal(objective.Value(), examples.Losses.Zip(examples.Shares, (l, p) => l * p).Sum(), 1e-12);
        Assert.All(objective.Parameters.Parameters, p => Assert.True(p.grad is null));
    }

    [Fact]
    public void A_linear_loss_has_slopes_and_no_curvature()
    {
        using DisposeScope scope = NewDisposeScope();
        Linear model = nn.Linear(3, 1, dtype: ScalarType.Float64).to(Here);
        Tensor X = randn([4, 3], ScalarType.Float64).to(Here);
        // Squared error of a constant: the model's outputs do not enter.
        Objective objective = Objective.FromSplit(Curvature.Tensors.ParameterSpace.Of(model), [X], x => model.call(x).mul(0), x => zeros([4, 1], ScalarType.Float64, device: Here), new MeanSquaredError());
        ExampleCurvature flat = ExampleCurvature.Along(objective, ones(4, ScalarType.Float64, device: Here));
        Assert.All(flat.Curvatures.Concat(flat.Slopes), number => Assert.Equal(0, number));
        Assert.Throws<CurvatureException>(() => ExampleCurvature.Along(Objective.FromClosure(Curvature.Tensors.ParameterSpace.Of(model), [X], x => model.call(x).mean(), x => 4), ones(4, ScalarType.Float64, device: Here)));
    }

    [Fact]
    public void A_model_that_draws_random_numbers_has_no_rows_to_match_over_passes()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(4);
        Sequential model = nn.Sequential(nn.Linear(3, 8, dtype: ScalarType.Float64), nn.Dropout(0.5), nn.Linear(8, 1, dtype: ScalarType.Float64)).to(Here);
        model.train();
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), [new Batch(ones([4, 3], ScalarType.Float64, device: Here), ones([4, 1], ScalarType.Float64, device: Here))]);
        Tensor v = ones(objective.Parameters.Count, ScalarType.Float64, device: Here);
        Assert.Throws<NonDeterministicException>(() => GradientCoherence.Of(objective));
        Assert.Throws<NonDeterministicException>(() => ExampleCurvature.Along(objective, v));
        Assert.Throws<NonDeterministicException>(() => OpposingSignals.Of(objective, v.mul(0.01), v));
        Assert.Throws<NonDeterministicException>(() => HessianNoise.Of(objective, 1));
    }

    [Fact]
    public void Coherence_is_one_for_equal_gradients_one_over_n_for_orthogonal_ones_and_zero_where_they_cancel()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(zeros(3, ScalarType.Float64, device: Here));
        GradientCoherence Of(params double[][] gradients) => GradientCoherence.Of(Objective.FromClosure(
            new Curvature.Tensors.ParameterSpace([("theta", theta)]), gradients, g => theta.dot(tensor(g, device: Here)), _ => 1));
        Assert.Equal(1, Of([1, 2, 3], [1, 2, 3]).Value, 1e-14);
        Assert.Equal(1 / 3.0, Of([2, 0, 0], [0, 2, 0], [0, 0, 2]).Value, 1e-14);
        Assert.Equal(1, Of([2, 0, 0], [0, 2, 0], [0, 0, 2]).Helped, 1e-14);
        Assert.Equal(0, Of([1, 2, 3], [-1, -2, -3]).Value, 1e-14);
        Assert.Equal(0.25 * 13 / ((4 + 9) / 2.0), Of([2, 0, 0], [0, 3, 0]).Value, 1e-14);
        Assert.Throws<CurvatureException>(() => Of([0, 0, 0]));
        Assert.Throws<NonFiniteException>(() => Of([double.NaN, 0, 0]));
    }
}
