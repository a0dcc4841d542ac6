using Curvature.MatrixFree;
using Curvature.Optimizers;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Optimizers;

/// <summary>M-FAC's steps against a dense inverse, and runs that go on from a window in its middle.</summary>
public sealed class MfacOptimizerTests
{
    private static readonly double[,] A = { { 2, 0.5, 0 }, { 0.5, 1, 0.2 }, { 0, 0.2, 3 } };

    [Theory]
    [InlineData(MfacDivisor.Count, false)]
    [InlineData(MfacDivisor.Capacity, false)]
    [InlineData(MfacDivisor.Count, true)]
    public void First_steps_are_those_of_a_dense_inverse_with_decays_and_momentum(MfacDivisor divisor, bool rescaled)
    {
        using DisposeScope scope = NewDisposeScope();
        const double Damping = 0.1, Rate = 0.05, L2 = 0.2, Decay = 0.3, Momentum = 0.5;
        Parameter w = new(tensor([1.0, -2], device: Here)), u = new(tensor([0.5], device: Here));
        Tensor theta = tensor([1.0, -2, 0.5], device: Here), v = zeros(3, ScalarType.Float64, device: Here);
        MfacOptimizerOptions options = new() { LearningRate = Rate, L2 = L2, WeightDecay = Decay, Momentum = Momentum };
        using MfacOptimizer optimizer = new([w, u], gradients: 2, options, new MfacWindowOptions { Damping = Damping, Divisor = divisor }) { NormRescale = rescaled };
        List<Tensor> seen = [];
        for (int t = 0; t < 4; t++)
        {
            optimizer.step(() => Quadratic(cat([w, u])));
            Tensor g = tensor(A, device: Here).mv(theta).add(theta, L2);
            seen.Add(g);
            Tensor F = eye(3, 3, ScalarType.Float64, device: Here).mul(Damping);
            foreach (Tensor one in seen.TakeLast(2))
            {
                F = F.add(one.outer(one), divisor == MfacDivisor.Capacity ? 0.5 : 1.0 / Math.Min(2, seen.Count));
            }

            Tensor direction = linalg.inv(F).mv(g);
            direction = rescaled ? direction.mul(g.norm().div(direction.norm())) : direction;
            v = v.mul(Momentum).add(direction, 1 - Momentum);
            theta = theta.mul(1 - (Rate * Decay)).sub(v.mul(Rate));
            Assert.True(theta.allclose(cat([w, u]), 1e-9, 1e-12));
        }
    }

    [Fact]
    public void First_step_of_the_official_settings_is_m_times_too_long_and_that_of_the_defaults_is_not()
    {
        using DisposeScope scope = NewDisposeScope();
        double Length(MfacOptimizer optimizer, Parameter w)
        {
            using MfacOptimizer own = optimizer;
            own.step(() => w.sum());
            return w.norm().ToDouble();
        }

        // |g| = 2: lr |g| / (1e-5 + 4 / 1024) and lr |g| / (1e-2 + 4)
        Parameter a = new(zeros(4, ScalarType.Float64, device: Here)), b = new(zeros(4, ScalarType.Float64, device: Here));
        Assert.Equal(1e-3 * 2 / (1e-5 + (4.0 / 1024)), Length(new MfacOptimizer([a], 1024, MfacOptimizerOptions.Official, new MfacWindowOptions()), a), 1e-9);
        Assert.Equal(0.03 * 2 / (1e-2 + 4), Length(new MfacOptimizer([b]), b), 1e-9);
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData(ScalarType.BFloat16, false)]
    [InlineData(null, true)]
    public void A_run_saved_after_the_ring_has_turned_goes_on_bit_for_bit(ScalarType? storage, bool sparse)
    {
        using DisposeScope scope = NewDisposeScope();
        MfacOptimizer Make(Descent descent) => new(descent.Parameters, 3, new MfacOptimizerOptions { Momentum = 0.5 }, MfacWindowOptions.Training with { Storage = storage }) { Sparse = sparse };
        Descent Begin()
        {
            Descent descent = Descent.Create("mixed shapes");
            using IDisposable noGrad = no_grad();
            descent.Parameters[2][0].zero_();
            return descent;
        }

        Descent straight = Begin(), moved = Begin(), file = Begin();
        using MfacOptimizer whole = Make(straight), shifted = Make(moved), first = Make(file), second = Make(file);
        Steps(whole, straight, 11);
        Steps(shifted, moved, 5);
        shifted.to(Here); // a copy of the state in the place of the window's own memory
        Steps(shifted, moved, 6);

        Steps(first, file, 5);
        using MemoryStream stream = new();
        first.save_state_dict(new BinaryWriter(stream));
        stream.Position = 0;
        second.load_state_dict(new BinaryReader(stream));
        Steps(first, file with { Targets = file.Targets.neg() }, 1); // what it does from here on is its own
        file.Parameters.Zip(Replay(Begin(), Make).Parameters).ToList().ForEach(pair =>
        {
            using IDisposable noGrad = no_grad();
            pair.First.copy_(pair.Second);
        });
        Steps(second, file, 6);

        Assert.True(straight.Theta().Equals(moved.Theta()));
        Assert.True(straight.Theta().Equals(file.Theta()));
        Assert.Equal(sparse, straight.Parameters[2][0].abs().sum().ToDouble() == 0);
    }

    [Fact]
    public void A_state_that_is_loaded_becomes_the_window_itself_and_is_not_copied()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter w = new(zeros(3, ScalarType.Float64, device: Here));
        using MfacOptimizer first = new([w], 2), second = new([w], 2);
        first.step(() => w.sum());
        second.load_state_dict(first.state_dict());
        Tensor loaded = ((NamedState)second.state_dict().State[0]).Find("mfac.window")!.alias();
        second.step(() => w.sum().mul(5));
        Assert.Equal(15, loaded[1].sum().ToDouble());
    }

    [Fact]
    public void Pruned_weights_stay_zero_and_the_others_step_as_if_those_were_not_there()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter whole = new(tensor([1.0, 0, -2, 0.5], device: Here)), few = new(tensor([1.0, -2, 0.5], device: Here));
        Tensor x = tensor(new[,] { { 1.0, 3, 2, -1 }, { 0.5, 1, 1, 1 }, { 2, -4, 0, 1 } }, device: Here), kept = tensor([0L, 2, 3], device: Here);
        using MfacOptimizer sparse = new([whole], 2) { Sparse = true }, dense = new([few], 2);
        for (int t = 0; t < 5; t++)
        {
            sparse.step(() => x.mv(whole).tanh().square().sum());
            dense.step(() => x.index_select(1, kept).mv(few).tanh().square().sum());
        }

        Assert.Equal(0, whole[1].ToDouble());
        Assert.True(few.allclose(whole.index_select(0, kept), 1e-12, 1e-14));
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        Parameter w = new(ones(3, ScalarType.Float64, device: Here)), late = new(ones(2, ScalarType.Float64, device: Here));
        Assert.Contains("Momentum", Assert.Throws<CurvatureException>(() => new MfacOptimizer([w], 2, new MfacOptimizerOptions { Momentum = 1 })).Message, StringComparison.Ordinal);
        Assert.Contains("damping", Assert.Throws<CurvatureException>(() => new MfacOptimizer([w], 2, window: new MfacWindowOptions { Damping = 0 })).Message, StringComparison.Ordinal);
        Assert.Contains("from 1 to", Assert.Throws<CurvatureException>(() => new MfacOptimizer([w], 0)).Message, StringComparison.Ordinal);

        using MfacOptimizer optimizer = new([w], 2), wider = new([w], 4);
        optimizer.step(() => w.square().sum());
        wider.load_state_dict(optimizer.state_dict());
        Assert.Contains("same sizes", Assert.Throws<CurvatureException>(() => wider.step(() => w.square().sum())).Message, StringComparison.Ordinal);

        optimizer.add_param_group(new ParamGroup { Parameters = [late] });
        Assert.Contains("before the first step", Assert.Throws<CurvatureException>(() => optimizer.step(() => w.square().sum())).Message, StringComparison.Ordinal);
    }

    private static Tensor Quadratic(Tensor theta) => theta.dot(tensor(A, device: Here).mv(theta)).mul(0.5);

    private static Descent Replay(Descent descent, Func<Descent, MfacOptimizer> make)
    {
        using MfacOptimizer optimizer = make(descent);
        Steps(optimizer, descent, 5);
        return descent;
    }

    private static void Steps(MfacOptimizer optimizer, Descent descent, int count)
    {
        for (int t = 0; t < count; t++)
        {
            optimizer.step(descent.Value);
        }
    }
}
