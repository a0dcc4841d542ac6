using Curvature.Data;
using Curvature.MatrixFree;
using Curvature.Tests.Reference;
using TorchSharp;
using Xunit;
using static Curvature.Tests.Core.MatrixFree.MfacInverseTests;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.MatrixFree;

public sealed class MfacWindowTests
{
    private const double Lambda = 1e-3;

    [Theory]
    [InlineData(0, MfacDivisor.Capacity)]
    [InlineData(0, MfacDivisor.Count)]
    [InlineData(4, MfacDivisor.Capacity)]
    [InlineData(4, MfacDivisor.Count)]
    [InlineData(7, MfacDivisor.Count)]
    [InlineData(24, MfacDivisor.Capacity)]
    public void Is_the_dense_inverse_while_the_window_fills_and_turns(int insertions, MfacDivisor divisor)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor G = Gradients(30, 37);
        using MfacWindow window = new(7, 37, ScalarType.Float64, Here, options: new MfacWindowOptions { Damping = Lambda, Divisor = divisor });
        for (int i = 0; i < insertions; i++)
        {
            window.Insert(G.select(0, i));
        }

        Tensor last = G.narrow(0, Math.Max(0, insertions - 7), Math.Min(7, insertions));
        Tensor expected = DenseMfac.Inverse(last, Lambda, divisor: divisor == MfacDivisor.Capacity ? 7 : Math.Max(1, Math.Min(7, insertions)));
        AssertClose(expected, window.ToDense(), 1e-8);
        Assert.Equal(expected.trace().ToDouble(), window.ExactTrace!.Value, 1e-8 * expected.trace().ToDouble());
        Assert.Equal((Math.Min(7, insertions), insertions), (window.Count, window.Insertions));
    }

    [Fact]
    public void Static_dynamic_and_dense_agree_and_a_step_is_the_product_with_its_own_gradient()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor G = Gradients(24, 53);
        using MfacWindow window = new(8, 53, ScalarType.Float64, Here, options: new MfacWindowOptions { Damping = Lambda });
        for (int i = 0; i < 24; i++)
        {
            Tensor g = G.select(0, i).clone(), step = window.Step(g);
            AssertClose(window.Apply(g), step, 1e-8);
        }

        // 3 m insertions are the last m gradients and nothing else.
        using MfacInverse recomputed = new(G.narrow(0, 16, 8), new MfacOptions { Damping = Lambda, Pages = 3 });
        AssertClose(DenseMfac.Inverse(G.narrow(0, 16, 8), Lambda), window.ToDense(), 1e-8);
        AssertClose(recomputed.ToDense(), window.ToDense(), 1e-8);
        Tensor c = Gradients(1, 8, seed: 3).select(0, 0);
        AssertClose(recomputed.ApplyToWindow(c), window.ApplyToWindow(c), 1e-8);
    }

    [Fact]
    public void Nothing_drifts_over_many_turns_of_nearly_parallel_gradients()
    {
        using DisposeScope scope = NewDisposeScope();
        const int Turns = 12, Capacity = 16;
        Tensor common = Gradients(1, 40, seed: 8), G = Gradients(Turns * Capacity, 40).mul(1e-2).add(common);
        using MfacWindow window = new(Capacity, 40, ScalarType.Float64, Here, options: new MfacWindowOptions { Damping = 1e-4 });
        for (int i = 0; i < Turns * Capacity; i++)
        {
            Tensor step = window.Step(G.select(0, i));
            if (i >= Capacity && i % 5 == 0)
            {
                AssertClose(DenseMfac.Inverse(G.narrow(0, i + 1 - Capacity, Capacity), 1e-4).mv(G.select(0, i)), step, 1e-9);
            }
        }
    }

    [Fact]
    public void In_float32_every_product_keeps_six_digits_at_a_damping_of_1e_minus_5()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor G = Gradients(512, 20_000, dtype: ScalarType.Float32), outside = Gradients(1, 20_000, seed: 9, ScalarType.Float32).select(0, 0);
        using MfacWindow window = new(512, 20_000, ScalarType.Float32, Here);
        for (int i = 0; i < 511; i++)
        {
            window.Insert(G.select(0, i));
        }

        Tensor last = G.select(0, 511).clone(), step = window.Step(last);
        AssertClose(DenseMfac.Product(G, 1e-5, last), step, 1e-6);
        AssertClose(DenseMfac.Product(G, 1e-5, last), window.Apply(last), 1e-6);
        AssertClose(DenseMfac.Product(G, 1e-5, outside), window.Apply(outside), 1e-6);
        Tensor between = last.add(outside, 1e-4), expected = DenseMfac.Product(G, 1e-5, between);
        MfacProduct product = window.Solve(between);
        AssertClose(expected, product.Value, Math.Min(product.RelativeError, 1e-5));
    }

    [Theory]
    [InlineData(ScalarType.Float64, null)]
    [InlineData(ScalarType.Float32, null)]
    [InlineData(ScalarType.Float32, ScalarType.BFloat16)]
    public void A_run_goes_on_bit_for_bit_from_a_state_in_a_file(ScalarType dtype, ScalarType? storage)
    {
        using DisposeScope scope = NewDisposeScope();
        using TemporaryFolder folder = new();
        Tensor G = Gradients(23, 41, dtype: dtype), mask = arange(41, ScalarType.Int64, device: Here).remainder(3).ne(0);
        MfacWindowOptions options = new() { Damping = 1e-4, Divisor = MfacDivisor.Count, Storage = storage, Mask = mask };
        using MfacWindow whole = new(6, 41, dtype, Here, options: options);
        string file = folder.File("window.safetensors");
        for (int i = 0; i < 10; i++)
        {
            whole.Step(G.select(0, i));
        }

        SafetensorsFile.Write(file, whole.StateDict().Select(entry => (entry.Key, entry.Value)));
        using MfacWindow resumed = new(6, 41, dtype, Here, options: options);
        resumed.LoadStateDict(SafetensorsFile.Read(file));
        for (int i = 10; i < 23; i++)
        {
            Assert.True(whole.Step(G.select(0, i)).Equals(resumed.Step(G.select(0, i))));
            Assert.True(whole.Apply(G.select(0, 0)).Equals(resumed.Apply(G.select(0, 0))));
        }

        Assert.Equal((23, 6), (resumed.Insertions, resumed.Count));
    }

    [Theory]
    [InlineData("another lambda")]
    [InlineData("a spoilt diagonal")]
    [InlineData("a spoilt row")]
    public void A_state_whose_factor_does_not_fit_gives_the_products_of_its_gradients(string how)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor G = Gradients(5, 40);
        double lambda = how == "another lambda" ? 3 * Lambda : Lambda;
        using MfacWindow first = new(5, 40, ScalarType.Float64, Here, options: new MfacWindowOptions { Damping = Lambda });
        using MfacWindow second = new(5, 40, ScalarType.Float64, Here, options: new MfacWindowOptions { Damping = lambda });
        for (int i = 0; i < 5; i++)
        {
            first.Insert(G.select(0, i));
        }

        first.Apply(G.select(0, 0));
        Dictionary<string, Tensor> state = new(first.StateDict(), StringComparer.Ordinal);
        if (how != "another lambda")
        {
            state["factor"].select(0, 2).select(0, how == "a spoilt row" ? 3 : 2).fill_(how == "a spoilt row" ? 7 : -1);
        }

        second.LoadStateDict(state);
        AssertClose(DenseMfac.Inverse(G, lambda).mv(G.select(0, 1)), second.Apply(G.select(0, 1)), 1e-8);
    }

    [Fact]
    public void A_window_in_bfloat16_is_that_of_the_rounded_gradients()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor G = Gradients(9, 300, dtype: ScalarType.Float32), rounded = G.to(ScalarType.BFloat16).to(ScalarType.Float64);
        using MfacWindow window = new(9, 300, ScalarType.Float32, Here, options: new MfacWindowOptions { Damping = Lambda, Storage = ScalarType.BFloat16 });
        Tensor step = zeros(0, device: Here);
        for (int i = 0; i < 9; i++)
        {
            step = window.Step(G.select(0, i));
        }

        Tensor inverse = DenseMfac.Inverse(rounded, Lambda), x = Gradients(1, 300, seed: 7, ScalarType.Float32).select(0, 0);
        AssertClose(inverse.mv(rounded.select(0, 8)), step, 1e-6);
        AssertClose(inverse.mv(x.to(ScalarType.Float64)), window.Apply(x), 1e-6);
    }

    [Fact]
    public void Masked_parameters_stay_where_they_are()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor G = Gradients(5, 30), kept = arange(30, ScalarType.Int64, device: Here).remainder(2).ne(0), indices = kept.nonzero().squeeze(1);
        using MfacWindow window = new(5, 30, ScalarType.Float64, Here, options: new MfacWindowOptions { Damping = Lambda, Mask = kept });
        for (int i = 0; i < 5; i++)
        {
            window.Insert(G.select(0, i));
        }

        Tensor expected = zeros(30, 30, ScalarType.Float64, device: Here);
        expected.index_put_(DenseMfac.Inverse(G.index_select(1, indices), Lambda), indices.unsqueeze(1), indices.unsqueeze(0));
        AssertClose(expected, window.ToDense(), 1e-10);
        Assert.Equal(expected.trace().ToDouble(), window.ExactTrace!.Value, 1e-8 * expected.trace().ToDouble());
        Assert.Equal([5, 15], window.StateDict()["window"].shape);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(17)]
    [InlineData(4095)]
    [InlineData(8201)]
    public void Every_length_and_storage_is_worked_through_to_its_end(int columns)
    {
        using DisposeScope scope = NewDisposeScope();
        foreach ((ScalarType dtype, ScalarType storage) in new[]
        {
            (ScalarType.Float64, ScalarType.Float64), (ScalarType.Float32, ScalarType.Float32), (ScalarType.Float32, ScalarType.BFloat16),
        })
        {
            Tensor G = Gradients(5, columns).to(storage).to(dtype), x = Gradients(1, columns, seed: 2, dtype).select(0, 0);
            using MfacWindow window = new(6, columns, dtype, Here, options: new MfacWindowOptions { Damping = 0.1, Divisor = MfacDivisor.Count, Storage = storage });
            for (int j = 0; j < 5; j++)
            {
                window.Insert(G.select(0, j));
            }

            AssertClose(DenseMfac.Product(G, 0.1, x), window.Apply(x), dtype == ScalarType.Float64 ? 1e-11 : 1e-6);
        }
    }

    [Fact]
    public void The_number_of_threads_changes_no_bit()
    {
        using DisposeScope scope = NewDisposeScope();
        int threads = get_num_threads();
        try
        {
            Tensor G = Gradients(20, 9000, dtype: ScalarType.Float32);
            Tensor[] steps = [.. ((int[])[1, 3]).Select(count =>
            {
                set_num_threads(count);
                using MfacWindow window = new(20, 9000, ScalarType.Float32, Here);
                return Enumerable.Range(0, 20).Select(j => window.Step(G.select(0, j))).Last();
            })];
            Assert.True(steps[0].Equals(steps[1]));
        }
        finally
        {
            set_num_threads(threads);
        }
    }

    [Fact]
    public void What_does_not_fit_is_refused_and_leaves_the_window_as_it_was()
    {
        using DisposeScope scope = NewDisposeScope();
        using MfacWindow window = new(3, 8, ScalarType.Float64, Here);
        Tensor g = Gradients(1, 8).select(0, 0), before = window.Step(g), bad = g.clone();
        bad.narrow(0, 3, 1).fill_(double.NegativeInfinity);
        Assert.Contains("Gradient 1 ", Assert.Throws<NonFiniteException>(() => window.Insert(bad)).Message, StringComparison.Ordinal);
        foreach (Tensor wrong in (Tensor[])[g.narrow(0, 0, 7), g.unsqueeze(0), g.to(ScalarType.Float32)])
        {
            Assert.Throws<CurvatureException>(() => window.Insert(wrong));
        }

        Assert.Throws<CurvatureException>(() => window.ApplyToWindow(zeros(4, ScalarType.Float64, device: Here)));
        Assert.Throws<CurvatureException>(() => window.Apply(zeros(7, ScalarType.Float64, device: Here)));
        Assert.Throws<NonFiniteException>(() => window.Apply(bad));

        Dictionary<string, Tensor> state = new(window.StateDict());
        Dictionary<string, Tensor> With(string key, Tensor? value) => value is null
            ? state.Where(entry => entry.Key != key).ToDictionary()
            : new(state) { [key] = value };
        Assert.Contains("'gram'", Assert.Throws<CurvatureException>(() => window.LoadStateDict(With("gram", null))).Message, StringComparison.Ordinal);
        Assert.Throws<CurvatureException>(() => window.LoadStateDict(With("window", zeros(3, 7, ScalarType.Float64, device: Here))));
        Assert.Throws<CurvatureException>(() => window.LoadStateDict(With("insertions", tensor(-1L, device: Here))));
        Assert.Throws<CurvatureException>(() => window.LoadStateDict(With("insertions", tensor(long.MaxValue, device: Here))));
        Assert.Throws<NonFiniteException>(() => window.LoadStateDict(With("window", full(3, 8, double.NaN, ScalarType.Float64, device: Here))));
        Tensor unit = eye(3, dtype: ScalarType.Float64, device: Here).select(0, 0);
        Assert.True(before.Equals(window.ApplyToWindow(unit)));

        foreach (MfacWindowOptions options in (MfacWindowOptions[])
        [
            new() { Damping = 0 }, new() { Damping = double.NaN }, new() { Storage = ScalarType.Float64 }, new() { Mask = ones(8, device: Here) },
            new() { Mask = ones(7, ScalarType.Bool, device: Here) }, new() { Mask = zeros(8, ScalarType.Bool, device: Here) },
        ])
        {
            Assert.Throws<CurvatureException>(() => new MfacWindow(3, 8, ScalarType.Float32, options: options));
        }

        Assert.Throws<CurvatureException>(() => new MfacWindow(0, 8, ScalarType.Float32));
        Assert.Throws<CurvatureException>(() => new MfacWindow(3, 8, ScalarType.Int64));
        Assert.Contains("GiB are free", Assert.Throws<CurvatureException>(() => new MfacWindow(1 << 14, 1 << 27, ScalarType.Float32)).Message, StringComparison.Ordinal);
    }
}
