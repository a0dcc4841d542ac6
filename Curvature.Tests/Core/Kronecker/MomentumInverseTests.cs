using Curvature.Kronecker;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Kronecker;

/// <summary>The inverse of one moving average, <c>[d, d]</c>: the outputs' side of a layer.</summary>
public sealed class MomentumInverseTests(ITestOutputHelper output)
{
    private const int D = 8;
    private const double Gamma = 0.95;

    /// <summary>Vectors by update.</summary>
    private static readonly Dictionary<string, Func<int, Tensor>> Streams = new()
    {
        ["normal"] = Normal,
        ["constant"] = _ => Normal(0),
        ["tiny"] = t => Normal(t).mul(1e-9),
        ["huge"] = t => Normal(t).mul(1e9),
        ["of two directions"] = t => Normal(t % 2),
        ["one entry"] = t => eye(D, dtype: ScalarType.Float64, device: Here).select(0, t % 3).mul(1 + t),
        ["growing"] = t => Normal(t).mul(Math.Pow(1.1, t)),
        ["shrinking"] = t => Normal(t).mul(Math.Pow(0.9, t)),
        ["gone after 50"] = t => t < 50 ? Normal(t) : zeros(D, ScalarType.Float64, device: Here),
    };

    public static TheoryData<string> Names => [.. Streams.Keys];

    public static TheoryData<string, bool, bool> Precisions
    {
        get
        {
            TheoryData<string, bool, bool> cases = [];
            foreach (string name in Streams.Keys)
            {
                cases.Add(name, false, false);
                cases.Add(name, true, false);
                cases.Add(name, true, true);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_the_dense_inverse_of_its_moving_average_for_500_updates(string name)
    {
        using DisposeScope scope = NewDisposeScope();
        using MkorFactors factors = Make(new MkorOptions { Stabiliser = 0 }, ScalarType.Float64);
        Tensor first = Streams[name](0), L = eye(D, dtype: ScalarType.Float64, device: Here).mul(first.dot(first).div(D));
        double worst = 0;
        for (int t = 0; t < 500; t++)
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor v = Streams[name](t);
            factors.Update("layer", ones(1, ScalarType.Float64, device: Here), v);
            L.mul_(Gamma).add_(v.outer(v), 1 - Gamma);
            if (t % 20 != 19)
            {
                continue;
            }

            Tensor eigenvalues = linalg.eigvalsh(L), B = factors.Inverses("layer").Outputs;
            double bound = 100 * 2.2e-16 * eigenvalues.max().ToDouble() / Math.Max(eigenvalues.min().ToDouble(), 1e-300);
            Assert.True(B.isfinite().all().ToBoolean());
            if (bound < 0.01) // else there is nothing to compare with: only the closed form below is known so well
            {
                double error = Matrices.RelativeDifference(B, linalg.inv(L));
                worst = Math.Max(worst, error / bound);
                Assert.True(error < bound, $"{name}: {error:g3} at update {t}, {bound:g3} allowed");
            }
        }

        output.WriteLine($"{name}: at worst {worst:g2} of 100 eps cond(L)");
    }

    [Theory]
    [InlineData(1e-9)]
    [InlineData(1)]
    [InlineData(1e9)]
    public void Of_a_constant_vector_it_is_known_in_closed_form_however_singular_the_average_becomes(double size)
    {
        using DisposeScope scope = NewDisposeScope();
        using MkorFactors factors = Make(new MkorOptions { Stabiliser = 0 }, ScalarType.Float64);
        Tensor v = Normal(0).mul(size);
        for (int t = 0; t < 500; t++)
        {
            factors.Update("layer", ones(1, ScalarType.Float64, device: Here), v);
        }

        // L = gamma^t (|v|^2 / d) I + (1 - gamma^t) v v^T
        double square = v.dot(v).ToDouble(), decayed = Math.Pow(Gamma, 500) * square / D, a = (1 - Math.Pow(Gamma, 500)) / decayed;
        Tensor expected = eye(D, dtype: ScalarType.Float64, device: Here).sub(v.outer(v).mul(a / (1 + (a * square)))).div(decayed);
        Assert.True(Matrices.RelativeDifference(factors.Inverses("layer").Outputs, expected) < 1e-12);
    }

    [Theory]
    [MemberData(nameof(Precisions))]
    public void The_stabiliser_holds_every_eigenvalue_between_its_bounds(string name, bool narrow, bool half)
    {
        const double Delta = 0.1;
        using DisposeScope scope = NewDisposeScope();
        ScalarType dtype = narrow ? ScalarType.Float32 : ScalarType.Float64;
        using MkorFactors factors = Make(new MkorOptions { HalfPrecision = half }, dtype);
        Tensor first = Streams[name](0).to(dtype).to(ScalarType.Float64);
        double mean = first.dot(first).ToDouble() / D, slack = half ? 0.02 : narrow ? 1e-4 : 1e-9, tightest = double.PositiveInfinity;
        for (int t = 0; t < 500; t++)
        {
            using DisposeScope inner = NewDisposeScope();
            Tensor v = Streams[name](t).to(dtype);
            factors.Update("layer", ones(1, dtype, device: Here), v);
            Tensor wide = v.to(ScalarType.Float64);
            mean = (Gamma * mean) + ((1 - Gamma) * wide.dot(wide).ToDouble() / D);
            if (t % 10 == 9)
            {
                Tensor eigenvalues = linalg.eigvalsh(factors.Inverses("layer").Outputs);
                double lowest = eigenvalues.min().ToDouble() * D * mean, highest = eigenvalues.max().ToDouble() * Delta * mean;
                Assert.True(lowest > 1 - slack && highest < 1 + slack, $"{name}, update {t}: {lowest:g4} and {highest:g4} of the bounds");
                tightest = Math.Min(tightest, 1 - highest);
            }
        }

        output.WriteLine($"{name}: within {tightest:g2} of the upper bound");
    }

    [Fact]
    public void Without_news_nothing_ever_overflows()
    {
        using DisposeScope scope = NewDisposeScope();
        using MkorFactors factors = new([new("layer", 2, 2, HasBias: false)], new MkorOptions { Decay = 0.5, HalfPrecision = true }, device: Here);
        Tensor nothing = zeros(2, device: Here), gradient = randn(4).to(Here);
        factors.Update("layer", nothing, nothing);
        factors.Update("layer", tensor([1f, 2f], device: Here), tensor([3f, 1f], device: Here));
        for (int t = 0; t < 3000; t++)
        {
            factors.Update("layer", nothing, nothing); // 2^3000 is no double
        }

        (Tensor L, Tensor R) = factors.Inverses("layer");
        Assert.True(L.mm(R).isfinite().all().ToBoolean());
        Assert.True(Matrices.RelativeDifference(factors.Precondition(gradient), gradient) < 0.01); // what was seen is forgotten
    }

    [Theory]
    [InlineData(1e-9)]
    [InlineData(1e9)]
    public void Scales_with_the_vectors(double factor)
    {
        using DisposeScope scope = NewDisposeScope();
        using MkorFactors one = Make(new MkorOptions(), ScalarType.Float64), other = Make(new MkorOptions(), ScalarType.Float64);
        for (int t = 0; t < 200; t++)
        {
            one.Update("layer", ones(1, ScalarType.Float64, device: Here), Normal(t));
            other.Update("layer", ones(1, ScalarType.Float64, device: Here), Normal(t).mul(factor));
        }

        Assert.True(Matrices.RelativeDifference(other.Inverses("layer").Outputs.mul(factor * factor), one.Inverses("layer").Outputs) < 1e-12);
    }

    [Fact]
    public void A_vector_that_rounding_cannot_take_is_refused_where_nothing_stabilises()
    {
        using DisposeScope scope = NewDisposeScope();
        using MkorFactors bare = Make(new MkorOptions { Stabiliser = 0 }, ScalarType.Float32), safe = Make(new MkorOptions(), ScalarType.Float32);
        void Jump(MkorFactors factors)
        {
            for (int t = 0; t < 40; t++)
            {
                factors.Update("layer", ones(1, device: Here), Normal(t).mul(t == 0 ? 1 : 1e12).to(ScalarType.Float32));
            }
        }

        Assert.Contains("Stabiliser", Assert.Throws<CurvatureException>(() => Jump(bare)).Message, StringComparison.Ordinal);
        Jump(safe);
        Assert.True(linalg.eigvalsh(safe.Inverses("layer").Outputs).min().ToDouble() > 0);
    }

    [Fact]
    public void Half_precision_is_near_the_full_one_and_positive_definite()
    {
        using DisposeScope scope = NewDisposeScope();
        using MkorFactors full = Make(new MkorOptions(), ScalarType.Float32), half = Make(new MkorOptions { HalfPrecision = true }, ScalarType.Float32);
        for (int t = 0; t < 300; t++)
        {
            full.Update("layer", ones(1, device: Here), Normal(t).to(ScalarType.Float32));
            half.Update("layer", ones(1, device: Here), Normal(t).to(ScalarType.Float32));
        }

        Tensor a = full.Inverses("layer").Outputs, b = half.Inverses("layer").Outputs;
        output.WriteLine($"{Matrices.RelativeDifference(b, a):g3}");
        Assert.True(Matrices.RelativeDifference(b, a) < 0.05);
        Assert.True(linalg.eigvalsh(b).min().ToDouble() > 0);
    }

    [Fact]
    public void The_packages_recurrence_is_its_own_formula_and_never_above_the_identity()
    {
        using DisposeScope scope = NewDisposeScope();
        using MkorFactors factors = Make(new MkorOptions { Mode = MkorMode.Package, Decay = 0.5 }, ScalarType.Float64);
        Tensor B = eye(D, dtype: ScalarType.Float64, device: Here);
        for (int t = 0; t < 100; t++)
        {
            Tensor v = Normal(t);
            factors.Update("layer", ones(1, ScalarType.Float64, device: Here), v);
            if (t > 0)
            {
                Tensor M = B.mul(0.95).add(eye(D, dtype: ScalarType.Float64, device: Here).mul(0.05));
                B = linalg.inv(linalg.inv(M).add(v.outer(v)));
            }

            Assert.True(Matrices.RelativeDifference(factors.Inverses("layer").Outputs, B) < 1e-11);
        }

        Assert.True(linalg.eigvalsh(B).max().ToDouble() <= 1);
    }

    [Fact]
    public void The_printed_recurrence_is_its_own_formula_and_diverges_or_vanishes()
    {
        using DisposeScope scope = NewDisposeScope();
        MkorOptions printed = new() { Mode = MkorMode.Printed };
        using MkorFactors factors = Make(printed, ScalarType.Float64), single = Make(printed, ScalarType.Float32), small = Make(printed, ScalarType.Float64);
        Tensor B = eye(D, dtype: ScalarType.Float64, device: Here);
        for (int t = 0; t < 30; t++)
        {
            Tensor v = Normal(t), u = B.mv(v);
            factors.Update("layer", ones(1, ScalarType.Float64, device: Here), v);
            double k = (1 - Gamma) / (Gamma * Gamma * (1 + (Gamma * (1 - Gamma) * v.dot(u).ToDouble())));
            B = B.mul(Gamma).add(u.outer(u), k);
            Assert.True(Matrices.RelativeDifference(factors.Inverses("layer").Outputs, B) < 1e-12);
        }

        NonFiniteException error = Assert.Throws<NonFiniteException>(() =>
        {
            for (int t = 0; t < 3000; t++)
            {
                single.Update("layer", ones(1, device: Here), Normal(t).to(ScalarType.Float32));
            }
        });
        Assert.Contains("outputs of layer 'layer'", error.Message, StringComparison.Ordinal);

        for (int t = 0; t < 300; t++)
        {
            small.Update("layer", ones(1, ScalarType.Float64, device: Here), Normal(t).mul(1e-6));
        }

        Assert.True(small.Inverses("layer").Outputs.abs().max().ToDouble() < 1e-6); // gamma^300
    }

    private static MkorFactors Make(MkorOptions options, ScalarType dtype) => new([new("layer", D, 1, HasBias: false)], options, dtype, Here);

    private static Tensor Normal(int t)
    {
        using Generator generator = new((ulong)(1000 + t));
        return empty([D], ScalarType.Float64).normal_(0, 1, generator).to(Here);
    }
}
