using Curvature.Checkpoints;
using Curvature.Objectives;
using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Quant.Calibration;

public class BatchNormTuningTests
{
    [Fact]
    public void Statistics_become_those_of_the_calibration_data_and_go_back()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = CalibrationNetworks.Convolutional(ScalarType.Float64);
        Tensor x = CalibrationNetworks.Images(60, 5, ScalarType.Float64).mul(2);
        var bn1 = (BatchNorm2d)model[1];
        double[] before = State(model);
        double?[] momenta = [.. model.modules().OfType<BatchNorm>().Select(norm => norm.momentum)];
        using (BatchNormTuning tuning = BatchNormTuning.Apply(model, CalibrationNetworks.Batches(x, 40))) // batches of 40 and 20
        {
            Assert.Equal(2, tuning.Norms);
            using IDisposable noGrad = no_grad();
            Tensor z = ((Conv2d)model[0]).call(x).transpose(0, 1).flatten(1); // [C, N H W]
            Assert.True(bn1.running_mean!.allclose(z.mean([1]), 1e-12));
            double[] variances = [.. Enumerable.Range(0, 4).Select(c =>
                (z.select(0, c).narrow(0, 0, 40 * 64).var().ToDouble() * 2 / 3) + (z.select(0, c).narrow(0, 40 * 64, 20 * 64).var().ToDouble() / 3))];
            Assert.All(variances.Zip(CalibrationNetworks.Values(bn1.running_var!)), pair => Assert.Equal(pair.First, pair.Second, 1e-12));
            Assert.Equal(momenta, model.modules().OfType<BatchNorm>().Select(norm => norm.momentum));
            Assert.All(model.modules(), module => Assert.False(module.training));
        }

        Assert.Equal(before, State(model));
        using (BatchNormTuning kept = BatchNormTuning.Apply(model, [x]))
        {
            kept.Keep();
        }

        Assert.NotEqual(before, State(model));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_norm_that_is_called_twice_a_batch_has_the_mean_over_calls_and_the_same_counter_on_any_number_of_ranks(bool directly)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] batches = [.. new[] { 6, 3, 4, 7 }.Select((size, i) => CalibrationNetworks.Images(size, i, ScalarType.Float64).flatten(1).narrow(1, 0, 5))];
        double[] Measure(Normed model, IRanks ranks)
        {
            using BatchNormTuning tuning = BatchNormTuning.Apply(model, ranks.Count == 1 ? batches : ranks.Rank == 0 ? batches[..1] : ranks.Rank == 2 ? batches[1..] : [], ranks);
            return [model.Norm.num_batches_tracked!.ToInt64(), .. CalibrationNetworks.Values(model.Norm.running_mean!), .. CalibrationNetworks.Values(model.Norm.running_var!)];
        }

        Normed[] models = [.. Enumerable.Range(0, 4).Select(_ => new Normed(directly))];
        double[] alone = Measure(models[3], OneRank.Instance);
        double[][] all = ThreadRanks.Run(3, ranks => Measure(models[ranks.Rank], ranks));
        double mean = directly ? 1 : 2, square = directly ? 1 : 5; // calls with x and 3 x, or one with x: (1 + 3) / 2, (1 + 9) / 2
        double[] expected =
        [
            directly ? 4 : 8,
            .. CalibrationNetworks.Values(cat(batches).mean([0]).mul(mean)),
            .. CalibrationNetworks.Values(batches.Select(x => x.sub(x.mean([0])).square().sum(dim: 0).mul(x.shape[0] / 20.0 * square / (x.shape[0] - 1))).Aggregate((a, b) => a + b)),
        ];
        Assert.All(all.Prepend(alone), rank => Assert.All(expected.Zip(rank), pair => Assert.Equal(pair.First, pair.Second, 1e-12)));
        Assert.All(all, rank => Assert.Equal(all[0], rank));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_norm_that_some_ranks_never_call_has_the_statistics_of_the_calls_alone(int first)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor[] batches = [.. new[] { 6, 3, 4, 7 }.Select((size, i) => CalibrationNetworks.Images(size, i, ScalarType.Float64).flatten(1).narrow(1, 0, 5).abs().mul(i < 2 ? 1 : -1))];
        double[] Measure(Gated model, IRanks ranks)
        {
            Tensor[] own = ranks.Count == 1 ? batches : ranks.Rank == first ? batches[..2] : ranks.Rank == (first + 1) % 3 ? batches[2..] : [];
            using BatchNormTuning tuning = BatchNormTuning.Apply(model, own, ranks);
            return [model.Norm.num_batches_tracked!.ToInt64(), .. CalibrationNetworks.Values(model.Norm.running_mean!), .. CalibrationNetworks.Values(model.Norm.running_var!)];
        }

        Gated[] models = [.. Enumerable.Range(0, 4).Select(_ => new Gated())];
        double[] alone = Measure(models[3], OneRank.Instance);
        Assert.Equal(2, alone[0]);
        double[][] all = ThreadRanks.Run(3, ranks => Measure(models[ranks.Rank], ranks));
        Assert.All(all, rank => Assert.All(alone.Zip(rank), pair => Assert.Equal(pair.First, pair.Second, 1e-12)));
        Assert.All(all, rank => Assert.Equal(all[0], rank));
    }

    [Fact]
    public void Takes_back_some_of_what_quantization_does_to_a_network_with_norms()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = CalibrationNetworks.Convolutional();
        Tensor x = CalibrationNetworks.Images(200, 9), unseen = CalibrationNetworks.Images(200, 10);
        var network = QuantizableNetwork.Of(model);
        using IDisposable noGrad = no_grad();
        Tensor exact = model.call(unseen);
        using var quantized = QuantizedLayers.Apply(network, [.. network.Layers.Take(2).Select(layer => QuantizedLayer.Round(layer, 2))]);
        double rounded = model.call(unseen).sub(exact).square().mean().ToDouble();
        using var tuning = BatchNormTuning.Apply(model, CalibrationNetworks.Batches(x, 50));
        double tuned = model.call(unseen).sub(exact).square().mean().ToDouble();
        Assert.True(tuned < 0.85 * rounded, $"{rounded} {tuned}");
    }

    [Fact]
    public void Cancelling_and_TorchScript()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = CalibrationNetworks.Convolutional();
        double[] before = State(model);
        using var cancel = new CancellationTokenSource();
        IEnumerable<Tensor> Inputs()
        {
            yield return CalibrationNetworks.Images(20, 1);
            cancel.Cancel();
            yield return CalibrationNetworks.Images(20, 2);
        }

        Assert.Throws<OperationCanceledException>(() => BatchNormTuning.Apply(model, Inputs(), cancellation: cancel.Token));
        Assert.Equal(before, State(model));
        Assert.Contains("no calibration inputs", Assert.Throws<CurvatureException>(() => BatchNormTuning.Apply(model, [])).Message, StringComparison.Ordinal);
        Assert.Equal(before, State(model));
        using LoadedModel script = Checkpoint.Load(Repository.File("Curvature.Tests/Fixtures/torchscript/tiny.pt"), device: Here);
        Assert.Contains("TorchScript", Assert.Throws<CurvatureException>(() => BatchNormTuning.Apply(script.Module, [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Statistics_that_are_not_finite_and_inputs_that_do_not_fit_are_refused()
    {
        using DisposeScope scope = NewDisposeScope();
        Sequential model = nn.Sequential(("fc", nn.Linear(4, 3)), ("bn", nn.BatchNorm1d(3))).to(Here);
        double[] before = State(model);
        CurvatureException single = Assert.ThrowsAny<CurvatureException>(() => BatchNormTuning.Apply(model, CalibrationNetworks.Batches(randn(5, 4).to(Here), 2))); // 2, 2 and 1
        Assert.Equal(before, State(model));
        Assert.Contains("'bn'", Assert.Throws<NonFiniteException>(() => BatchNormTuning.Apply(model, [full([2, 4], double.NaN, device: Here)])).Message, StringComparison.Ordinal);
        Assert.Contains("rejected calibration batch 0", Assert.Throws<CurvatureException>(() => BatchNormTuning.Apply(model, [randn(5, 7).to(Here)])).Message, StringComparison.Ordinal);
        Assert.Equal(before, State(model));
        Assert.Contains(single is NonFiniteException ? "two samples or more" : "more than 1 value per channel", single.Message, StringComparison.Ordinal); // some engines refuse such a batch themselves
    }

    /// <summary>A norm that sees x and 3 x; or x alone, by <c>forward</c>, where no hook sees it.</summary>
    private sealed class Normed : nn.Module<Tensor, Tensor>
    {
        private readonly bool _directly;

        public Normed(bool directly)
            : base(nameof(Normed))
        {
            _directly = directly;
            Norm = nn.BatchNorm1d(5, dtype: ScalarType.Float64);
            register_module("norm", Norm);
            this.to(Here);
        }

        public BatchNorm1d Norm { get; }

        public override Tensor forward(Tensor input) => _directly ? Norm.forward(input) : Norm.call(input).add(Norm.call(input.mul(3)));
    }

    /// <summary>A norm that only batches above zero go through.</summary>
    private sealed class Gated : nn.Module<Tensor, Tensor>
    {
        public Gated()
            : base(nameof(Gated))
        {
            Norm = nn.BatchNorm1d(5, dtype: ScalarType.Float64);
            register_module("norm", Norm);
            this.to(Here);
        }

        public BatchNorm1d Norm { get; }

        public override Tensor forward(Tensor input) => input.sum().ToDouble() > 0 ? Norm.call(input) : input;
    }

    private static double[] State(Sequential model) => [.. model.state_dict().Values.SelectMany(CalibrationNetworks.Values)];
}
