using Curvature.Checkpoints;
using Curvature.Kronecker;
using Curvature.Tensors;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Kronecker;

/// <summary>Layers, directions, states and refusals of the momentum inverses.</summary>
public sealed class MkorFactorsTests
{
    private static readonly MkorLayer[] Layers = [new("fc1", 3, 4, HasBias: true), new("fc2", 2, 3, HasBias: false)];

    [Fact]
    public void A_direction_is_the_gradient_between_the_inverses_with_the_gradients_length()
    {
        using DisposeScope scope = NewDisposeScope();
        using MkorFactors plain = Fed(new MkorOptions { Rescale = false }, 20), rescaled = Fed(new MkorOptions(), 20);
        using MkorInverse inverse = plain.Inverse();
        Tensor gradient = randn(plain.Count, ScalarType.Float64).to(Here), direction = plain.Precondition(gradient), scaled = rescaled.Precondition(gradient);
        long first = 0;
        foreach (MkorLayer layer in Layers)
        {
            long weights = layer.Outputs * layer.Inputs, count = layer.HasBias ? weights + layer.Outputs : weights;
            Tensor own = gradient.narrow(0, first, count), G = own.narrow(0, 0, weights).reshape(layer.Outputs, layer.Inputs);
            G = layer.HasBias ? cat([G, own.narrow(0, weights, layer.Outputs).reshape(-1, 1)], 1) : G;
            (Tensor L, Tensor R) = plain.Inverses(layer.Name);
            Tensor D = L.mm(G).mm(R), flat = layer.HasBias ? cat([D.narrow(1, 0, layer.Inputs).reshape(-1), D.select(1, layer.Inputs)]) : D.reshape(-1);
            Assert.True(Matrices.RelativeDifference(direction.narrow(0, first, count), flat) < 1e-13);
            Assert.True(Matrices.RelativeDifference(scaled.narrow(0, first, count), flat.mul(own.norm().div(flat.norm()))) < 1e-13);
            first += count;
        }

        Assert.True(Matrices.RelativeDifference(inverse.Apply(gradient), direction) < 1e-14);
        Tensor dense = inverse.ToDense();
        Assert.True(Matrices.RelativeDifference(dense.t(), dense) < 1e-14);
        Assert.True(linalg.eigvalsh(dense).min().ToDouble() > 0);
        Assert.Equal(0, rescaled.Precondition(zeros(rescaled.Count, ScalarType.Float64, device: Here)).abs().max().ToDouble());
    }

    [Theory]
    [InlineData(MkorMode.Exact, false)]
    [InlineData(MkorMode.Exact, true)]
    [InlineData(MkorMode.Package, false)]
    [InlineData(MkorMode.Package, true)]
    [InlineData(MkorMode.Printed, false)]
    public void A_state_goes_on_bit_for_bit(MkorMode mode, bool half)
    {
        using DisposeScope scope = NewDisposeScope();
        MkorOptions options = new() { Mode = mode, HalfPrecision = half };
        using MkorFactors through = Fed(options, 12, ScalarType.Float32), resumed = new(Layers, options, device: Here);
        IReadOnlyDictionary<string, Tensor> saved = through.StateDict();
        resumed.LoadStateDict(saved);
        Feed(through, 12, 24);
        Feed(resumed, 12, 24);
        IReadOnlyDictionary<string, Tensor> a = through.StateDict(), b = resumed.StateDict();
        Assert.Equal(a.Keys.Order(), b.Keys.Order());
        Assert.All(a.Keys, key => Assert.True(a[key].cpu().bytes.SequenceEqual(b[key].cpu().bytes), key));
        Assert.Contains(a.Keys, key => !a[key].cpu().bytes.SequenceEqual(saved[key].cpu().bytes)); // copies, which did not move on
        Assert.Equal(24, a["fc1/inputs/updates"].ToInt64());
        Assert.Equal(half ? ScalarType.Float16 : ScalarType.Float32, a["fc2/outputs"].dtype);
        Tensor gradient = randn(through.Count).to(Here);
        Assert.True(through.Precondition(gradient).cpu().bytes.SequenceEqual(resumed.Precondition(gradient).cpu().bytes));
    }

    [Fact]
    public void A_state_of_other_layers_is_refused_and_changes_nothing()
    {
        using DisposeScope scope = NewDisposeScope();
        using MkorFactors factors = Fed(new MkorOptions(), 5), other = new([new("fc1", 3, 5, HasBias: true), new("fc2", 2, 3, HasBias: false)], null, ScalarType.Float64, Here);
        Dictionary<string, Tensor> good = new(factors.StateDict());
        string Refused(string key, Tensor? value)
        {
            Dictionary<string, Tensor> state = new(good);
            state.Remove(key);
            if (value is not null)
            {
                state[key] = value;
            }

            return Assert.ThrowsAny<CurvatureException>(() => factors.LoadStateDict(state)).Message;
        }

        Assert.Contains("'fc1/inputs' should be [5, 5]", Assert.Throws<CurvatureException>(() => factors.LoadStateDict(other.StateDict())).Message, StringComparison.Ordinal);
        Assert.Contains("'fc2/outputs'", Refused("fc2/outputs", null), StringComparison.Ordinal);
        Assert.Contains("Float32", Refused("fc2/outputs", eye(2, device: Here)), StringComparison.Ordinal);
        Assert.Contains("not finite", Refused("fc2/outputs", full([2, 2], double.NaN, ScalarType.Float64, device: Here)), StringComparison.Ordinal);
        Assert.Contains("not positive", Refused("fc2/outputs/numbers", tensor([1.0, -1.0, 1.0], device: Here)), StringComparison.Ordinal);
        Assert.Contains("other layers", Refused("fc9/inputs", eye(2, device: Here)), StringComparison.Ordinal);
        Assert.All(factors.StateDict(), entry => Assert.True(entry.Value.Equals(good[entry.Key]), entry.Key));
    }

    [Fact]
    public void Wrong_shapes_and_what_is_not_finite_are_refused_by_the_layers_name_and_change_nothing()
    {
        using DisposeScope scope = NewDisposeScope();
        using MkorFactors factors = Fed(new MkorOptions(), 5);
        IReadOnlyDictionary<string, Tensor> before = factors.StateDict();
        Tensor a = randn(4, ScalarType.Float64).to(Here), g = randn(3, ScalarType.Float64).to(Here), bad = g.clone();
        bad.narrow(0, 1, 1).fill_(double.PositiveInfinity);
        string NotFinite(string layer, Tensor x, Tensor y) => Assert.Throws<NonFiniteException>(() => factors.Update(layer, x, y)).Message;
        string Wrong(Action action) => Assert.Throws<CurvatureException>(action).Message;
        Assert.Contains("output gradient g of layer 'fc1' has NaN or infinite entries at update 6", NotFinite("fc1", a, bad), StringComparison.Ordinal);
        Assert.Contains("mean input a of layer 'fc1'", NotFinite("fc1", a.mul(double.NaN), g), StringComparison.Ordinal);
        Assert.Contains("'fc1' should be [4] of Float64", Wrong(() => factors.Update("fc1", g, g)), StringComparison.Ordinal);
        Assert.Contains("Float32", Wrong(() => factors.Update("fc1", a, g.to(ScalarType.Float32))), StringComparison.Ordinal);
        Assert.Contains("fc1, fc2", Wrong(() => factors.Update("fc3", a, g)), StringComparison.Ordinal);
        Assert.Contains("[21]", Wrong(() => factors.Precondition(a)), StringComparison.Ordinal);
        Assert.All(factors.StateDict(), entry => Assert.True(entry.Value.Equals(before[entry.Key]), entry.Key));
    }

    [Fact]
    public void Options_and_layers_out_of_range_are_refused()
    {
        Assert.Throws<CurvatureException>(() => new MkorFactors(Layers, new MkorOptions { Decay = 1 }));
        Assert.Throws<CurvatureException>(() => new MkorFactors(Layers, new MkorOptions { Decay = double.NaN }));
        Assert.Throws<CurvatureException>(() => new MkorFactors(Layers, new MkorOptions { Stabiliser = 1 }));
        Assert.Throws<CurvatureException>(() => new MkorFactors(Layers, null, ScalarType.Float16));
        Assert.Throws<CurvatureException>(() => new MkorFactors([]));
        Assert.Throws<CurvatureException>(() => new MkorFactors([Layers[0], Layers[0]]));
    }

    [Fact]
    public void Layers_come_from_parameters_and_others_are_refused_by_name()
    {
        using DigitsMlp model = new();
        Assert.Equal([new("fc1", 32, 64, true), new MkorLayer("fc2", 10, 32, true)], MkorLayer.Of(ParameterSpace.Of(model)));
        using DisposeScope scope = NewDisposeScope();
        Assert.Equal(new MkorLayer("conv", 2, 9, true), MkorLayer.Of(Problems.Create("conv").Parameters)[0]);
        Assert.Contains("'norm'", Assert.Throws<CurvatureException>(() => MkorLayer.Of(Problems.Create("layer norm").Parameters)).Message, StringComparison.Ordinal);
    }

    private static MkorFactors Fed(MkorOptions options, int updates, ScalarType dtype = ScalarType.Float64)
    {
        MkorFactors factors = new(Layers, options, dtype, Here);
        Feed(factors, 0, updates);
        return factors;
    }

    /// <summary>Vectors that depend on the update's number alone.</summary>
    private static void Feed(MkorFactors factors, int from, int to)
    {
        for (int i = from; i < to; i++)
        {
            foreach (MkorLayer layer in Layers)
            {
                using DisposeScope scope = NewDisposeScope();
                Tensor Draw(int side, long size) => Probes.Draw(ProbeKind.Gaussian, size, (2 * i) + side, 1, 7, factors.DType, Here).reshape(size).mul(0.1);
                factors.Update(layer.Name, Draw(0, layer.Inputs), Draw(1, layer.Outputs));
            }
        }
    }
}
