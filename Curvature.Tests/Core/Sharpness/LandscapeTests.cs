using Curvature.Data;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Sharpness;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Sharpness;

/// <summary>Slices of losses that are known along every line.</summary>
public sealed class LandscapeTests
{
    [Fact]
    public void Along_a_line_a_quadratic_is_its_own_model()
    {
        using DisposeScope scope = NewDisposeScope();
        (Objective objective, Tensor A, Tensor theta) = Quadratic();
        using HessianOperator hessian = new(objective);
        Tensor d = randn([6], ScalarType.Float64, generator: new Generator(3)).to(Here), before = objective.Parameters.Snapshot();
        LandscapeCurve curve = LandscapeCurve.Of(objective, d, LandscapeAxis.Around(2, 9), hessian);

        Assert.Equal([-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2], curve.Positions);
        Assert.All(curve.Positions.Zip(curve.Losses), p =>
        {
            Tensor at = theta.add(d, p.First);
            Assert.Equal(at.dot(A.mv(at)).ToDouble() / 2, p.Second, 1e-11);
            Assert.Equal(p.Second, curve.Predicted(p.First), 1e-11);
        });
        Assert.Equal(d.dot(A.mv(d)).ToDouble(), curve.Quadratic!.Value.Curvature, 1e-11);
        Assert.Equal(0, curve.Gaps);
        Assert.True(before.Equals(objective.Parameters.Snapshot()));
        Assert.True(double.IsNaN(LandscapeCurve.Of(objective, d, LandscapeAxis.Around(2, 9)).Predicted(1)));
    }

    [Fact]
    public void A_plane_has_a_row_for_each_position_up_and_a_column_for_each_across()
    {
        using DisposeScope scope = NewDisposeScope();
        (Objective objective, Tensor A, Tensor theta) = Quadratic();
        (Tensor a, Tensor b) = (eye(6, dtype: ScalarType.Float64, device: Here)[0], eye(6, dtype: ScalarType.Float64, device: Here)[4]);
        List<(int Done, int Total)> told = [];
        LandscapeSurface surface = LandscapeSurface.Of(objective, a, b, new LandscapeAxis(-1, 3, 3), new LandscapeAxis(0, 1, 2), new ToldProgress(p => told.Add((p.Done, p.Total))));

        Assert.Equal([-1, 1, 3], surface.Across);
        Assert.Equal([0, 1], surface.Up);
        Assert.Equal([1, 2, 3, 4, 5, 6], told.Select(p => p.Done));
        Tensor at = theta.add(a, 3).add(b, 1);
        Assert.Equal(at.dot(A.mv(at)).ToDouble() / 2, surface.Losses[1][2], 1e-11);
        Assert.Equal(0, surface.Gaps);
    }

    [Fact]
    public void Losses_that_are_not_finite_are_gaps_and_a_walk_that_is_cancelled_leaves_no_trace()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(tensor([0.1f, 1 / 3f], device: Here)); // not representable sums: putting back must not add and subtract
        Objective objective = Objective.FromClosure(new ParameterSpace([("theta", theta)]), [0], _ => theta.sum().log(), _ => 1);
        float[] before = theta.cpu().data<float>().ToArray();
        LandscapeCurve curve = LandscapeCurve.Of(objective, tensor([1f, 0], device: Here), LandscapeAxis.Around(1, 5));
        Assert.Equal([true, true, false, false, false], curve.Losses.Select(double.IsNaN));
        Assert.Equal(2, curve.Gaps);
        Assert.Equal(before, theta.cpu().data<float>().ToArray());

        LandscapeCurve broken = LandscapeCurve.Between(objective, tensor([-5f, 0], device: Here), new LandscapeAxis(0, 1, 5));
        Assert.True(double.IsNaN(broken.Barrier)); // no loss at the end
        LandscapeSurface surface = LandscapeSurface.Of(objective, tensor([1f, 0], device: Here), tensor([0, 1f], device: Here), LandscapeAxis.Around(1, 3));
        Assert.Equal(3, surface.Gaps);

        using CancellationTokenSource source = new();
        Assert.Throws<OperationCanceledException>(() => LandscapeCurve.Of(
            objective, tensor([1f, 0], device: Here), LandscapeAxis.Around(0.1, 5), progress: new ToldProgress(p => source.Cancel()), cancellation: source.Token));
        Assert.Equal(before, theta.cpu().data<float>().ToArray());
    }

    [Fact]
    public void Between_two_wells_there_is_a_barrier_and_within_one_there_is_none()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter theta = new(tensor([-1.0], device: Here));
        Objective objective = Objective.FromClosure(new ParameterSpace([("theta", theta)]), [0], _ => theta.square().sub(ones_like(theta)).square().sum(), _ => 1);
        LandscapeCurve across = LandscapeCurve.Between(objective, tensor([1.0], device: Here), new LandscapeAxis(-0.5, 1.5, 21));
        Assert.Equal(1, across.Barrier, 1e-12); // (0 - 1)^2 in the middle, 0 at both ends
        Assert.Equal(0, LandscapeCurve.Between(objective, tensor([-1.2], device: Here), new LandscapeAxis(0, 1, 11)).Barrier, 1e-12);
        Assert.True(double.IsNaN(LandscapeCurve.Between(objective, tensor([1.0], device: Here), new LandscapeAxis(0, 1.1, 7)).Barrier)); // 1 is no position
        Assert.Equal(-1, theta.item<double>());
        Assert.Throws<CurvatureException>(() => LandscapeCurve.Between(objective, tensor([-1.0], device: Here), new LandscapeAxis(0, 1)));
        Assert.Throws<CurvatureException>(() => LandscapeCurve.Between(objective, tensor([1.0, 1], device: Here), new LandscapeAxis(0, 1)));
    }

    [Fact]
    public void The_way_to_a_network_with_batch_norm_takes_its_running_statistics_along()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(1);
        Tensor X = randn([30, 3], ScalarType.Float64).to(Here), Y = randn([30, 2], ScalarType.Float64).to(Here);
        Sequential Network() => nn.Sequential(nn.Linear(3, 4, dtype: ScalarType.Float64), nn.BatchNorm1d(4, dtype: ScalarType.Float64), nn.Linear(4, 2, dtype: ScalarType.Float64)).to(Here);
        Sequential first = Network(), second = Network();
        second.call(X.mul(3).add(1)).Dispose(); // moves the running statistics
        first.eval();
        second.eval();
        Objective Over(Sequential model) => Objective.Supervised(model, new MeanSquaredError(), [new Batch(X, Y)]);
        (string, Tensor)[] State(Sequential model) => [.. model.state_dict().Where(entry => entry.Value.dtype == ScalarType.Float64).Select(entry => (entry.Key, entry.Value))];
        ParameterSpace moved = new(State(first)), target = new(State(second));
        Tensor before = moved.Snapshot();

        LandscapeCurve curve = LandscapeCurve.Between(Over(first), target.Snapshot(), new LandscapeAxis(0, 1, 3), moved);
        Assert.Equal(Over(first).Value(), curve.Losses[0], 1e-14);
        Assert.Equal(Over(second).Value(), curve.Losses[2], 1e-12);
        Assert.True(before.Equals(moved.Snapshot()));
        LandscapeCurve parametersOnly = LandscapeCurve.Between(Over(first), ParameterSpace.Of(second).Snapshot(), new LandscapeAxis(0, 1, 3));
        Assert.True(Math.Abs(parametersOnly.Losses[2] - curve.Losses[2]) > 0.01);
    }

    [Fact]
    public void Filters_of_a_random_direction_are_as_long_as_the_weights_own()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(2);
        Sequential model = nn.Sequential(("conv", nn.Conv2d(2, 3, 3)), ("norm", nn.BatchNorm2d(3)), ("fc", nn.Linear(5, 4))).to(Here);
        ParameterSpace theta = ParameterSpace.Of(model);
        Tensor d = LandscapeDirections.FilterNormalised(theta, seed: 7);
        foreach ((int i, Tensor part) in theta.Split(d).Index())
        {
            Tensor w = theta.Parameters[i].detach();
            if (w.dim() < 2)
            {
                Assert.Equal(0, part.abs().sum().ToDouble());
                continue;
            }

            Assert.True(part.reshape(part.shape[0], -1).square().sum(dim: 1).sub(w.reshape(w.shape[0], -1).square().sum(dim: 1)).abs().max().ToDouble() < 1e-5);
        }

        Assert.True(d.Equals(LandscapeDirections.FilterNormalised(theta, seed: 7)));
        Tensor other = LandscapeDirections.FilterNormalised(theta, seed: 7, index: 1);
        Assert.InRange(Math.Abs(d.dot(other).ToDouble() / d.dot(d).ToDouble()), 0, 0.5);
        Assert.Throws<CurvatureException>(() => LandscapeDirections.FilterNormalised(ParameterSpace.Of(model, "*.bias")));
    }

    [Fact]
    public void Slices_do_not_see_how_weights_are_scaled_from_layer_to_layer()
    {
        using DisposeScope scope = NewDisposeScope();
        manual_seed(4);
        Linear first = nn.Linear(4, 6, hasBias: false, dtype: ScalarType.Float64).to(Here), second = nn.Linear(6, 2, hasBias: false, dtype: ScalarType.Float64).to(Here);
        Sequential model = nn.Sequential(first, nn.ReLU(), second).to(Here);
        Objective objective = Objective.Supervised(model, new MeanSquaredError(), [new Batch(randn([20, 4], ScalarType.Float64).to(Here), randn([20, 2], ScalarType.Float64).to(Here))]);
        LandscapeCurve Slice() => LandscapeCurve.Of(objective, LandscapeDirections.FilterNormalised(objective.Parameters, 1), LandscapeAxis.Around(1, 7));
        LandscapeCurve before = Slice();
        using (no_grad())
        {
            first.weight!.mul_(16);
            second.weight!.div_(16);
        }

        Assert.All(before.Losses.Zip(Slice().Losses), pair => Assert.Equal(pair.First, pair.Second, 1e-12 * pair.First));
        Assert.True(before.Losses.Max() > 1.2 * before.Losses.Min());
    }

    [Fact]
    public void A_run_in_a_plane_is_seen_whole_and_as_it_is()
    {
        using DisposeScope scope = NewDisposeScope();
        (Tensor basis, _) = linalg.qr(randn([40, 3], ScalarType.Float64, generator: new Generator(5)).to(Here));
        (double X, double Y)[] path = [(6, 1), (4, -1), (2.5, 1.5), (1, -0.3), (0.2, 0.1), (0, 0)];
        Tensor last = randn([40], ScalarType.Float64, generator: new Generator(6)).to(Here);
        Tensor[] run = [.. path.Select(p => last.add(basis.select(1, 0), p.X).add(basis.select(1, 1), p.Y))];
        using TrajectoryProjection plane = TrajectoryProjection.Of(run);

        Assert.Equal(1, plane.Explained.First + plane.Explained.Second, 1e-12);
        Assert.True(plane.Explained.First > 0.7 && plane.Points[0].X > 0);
        Assert.Equal((0, 0), plane.Points[^1]);
        Assert.All(plane.Distances, d => Assert.InRange(d, 0, 1e-6));
        Assert.All(path.Zip(plane.Points), p => Assert.Equal(Math.Sqrt((p.First.X * p.First.X) + (p.First.Y * p.First.Y)), Math.Sqrt((p.Second.X * p.Second.X) + (p.Second.Y * p.Second.Y)), 1e-10));
        Assert.All(run.Zip(plane.Points), p => Assert.True(last.add(plane.A, p.Second.X).add(plane.B, p.Second.Y).sub(p.First).norm().ToDouble() < 1e-10));

        // Off the plane by 0.5 in the middle of the run.
        run[2] = run[2].add(basis.select(1, 2), 0.5);
        using TrajectoryProjection tilted = TrajectoryProjection.Of(run);
        Assert.InRange(tilted.Distances[2], 0.2, 0.5); // the plane tilts towards it
        Assert.Throws<CurvatureException>(() => TrajectoryProjection.Of([last, last.mul(2), last.mul(4)]));
        Assert.Throws<CurvatureException>(() => TrajectoryProjection.Of([last, run[0]]));
        Assert.Throws<NonFiniteException>(() => TrajectoryProjection.Of([last, run[0], last.mul(double.NaN)]));
    }

    [Fact]
    public void In_float32_the_second_component_of_a_long_run_is_orthogonal_to_the_first_all_the_same()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor a = randn([200], generator: new Generator(1)).to(Here), b = randn([200], generator: new Generator(2)).to(Here);
        using TrajectoryProjection plane = TrajectoryProjection.Of([.. Enumerable.Range(0, 9).Select(i => a.mul(8 - i).add(b, (i % 3) * 1e-3))]);
        Assert.InRange(Math.Abs(plane.A.to(ScalarType.Float64).dot(plane.B.to(ScalarType.Float64)).ToDouble()), 0, 2e-7);
    }

    [Fact]
    public void What_is_no_axis_or_direction_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        (Objective objective, _, _) = Quadratic();
        Assert.Throws<CurvatureException>(() => new LandscapeAxis(0, 0));
        Assert.Throws<CurvatureException>(() => new LandscapeAxis(0, 1, 1));
        Assert.Throws<CurvatureException>(() => LandscapeAxis.Around(double.PositiveInfinity));
        foreach (Tensor bad in (Tensor[])[zeros(6, ScalarType.Float64, device: Here), ones(5, ScalarType.Float64, device: Here), ones(6, ScalarType.Float32, device: Here), ones(6, ScalarType.Float64, device: Here).mul(double.NaN)])
        {
            Assert.Throws<CurvatureException>(() => LandscapeCurve.Of(objective, bad, LandscapeAxis.Around()));
        }
    }

    private static (Objective Objective, Tensor A, Tensor Theta) Quadratic()
    {
        Tensor A = Matrices.WithSpectrum([5, 2, 1, 0.5, 0.1, -0.3]), at = randn([6], ScalarType.Float64, generator: new Generator(1)).to(Here);
        Parameter theta = new(at.clone());
        return (Objective.FromClosure(new ParameterSpace([("theta", theta)]), [0], _ => theta.dot(A.mv(theta)).mul(0.5), _ => 1), A, at);
    }
}
