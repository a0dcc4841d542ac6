using System.Text.Json;
using Curvature.Checkpoints;
using Curvature.Data;
using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Tensors;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Checkpoints;

/// <summary>
/// Models saved by PyTorch, measured here, against PyTorch's own figures in double precision (Fixtures/make_fixtures.py): to 1e-9 relative in
/// float64 and 1e-4 in float32.
/// </summary>
public class TorchScriptAgreementTests
{
    private static readonly JsonElement[] Models = [.. JsonDocument
        .Parse(File.ReadAllBytes(TorchScriptFileTests.Fixture("expected.json"))).RootElement.GetProperty("models").EnumerateArray()];

    public static TheoryData<string> Files =>
        [.. Models.SelectMany(model => model.GetProperty("files").EnumerateArray().Select(file => file.GetString()!))];

    [Theory]
    [MemberData(nameof(Files))]
    public void Loss_gradient_and_products_agree_with_PyTorch(string file)
    {
        using DisposeScope scope = NewDisposeScope();
        using var fixture = new Fixture(file, batchSize: 7);
        Assert.Equal(1, fixture.Objective.Value() / fixture["loss"], fixture.Tolerance);
        Assert.Equal(1, fixture.Objective.Gradient().norm().ToDouble() / fixture["gradient_norm"], fixture.Tolerance);

        using var hessian = new HessianOperator(fixture.Objective);
        Tensor v = fixture.Vector("v"), expected = fixture.Vector("hv");
        for (int repeat = 0; repeat < 6; repeat++)
        {
            // Repeated, because TorchScript's executor rewrites a graph once it has seen it run.
            double error = (hessian.Apply(v) - expected).norm().ToDouble();
            Assert.InRange(error / expected.norm().ToDouble(), 0, fixture.Tolerance);
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Trace_and_eigenvalues_agree_with_PyTorch(string file)
    {
        using DisposeScope scope = NewDisposeScope();
        using var fixture = new Fixture(file, batchSize: 20);
        using var hessian = new HessianOperator(fixture.Objective);
        Assert.Equal(1, hessian.ToDense().to(ScalarType.Float64).trace().ToDouble() / fixture["trace"], fixture.Tolerance);

        double[] expected = fixture.Numbers("top_eigenvalues");
        var solver = new LanczosEigensolver { Count = expected.Length, Tolerance = fixture.Tolerance / 10 };
        using Eigenpairs pairs = solver.Solve(hessian);
        Assert.True(pairs.Converged);
        Assert.All(expected.Zip(pairs.Values), pair => Assert.Equal(1, pair.Second.Value / pair.First, fixture.Tolerance));
    }

    /// <summary>A model with its data and PyTorch's figures for it.</summary>
    private sealed class Fixture : IDisposable
    {
        private readonly JsonElement _figures;
        private readonly LoadedModel _model;
        private readonly Dataset _data;

        public Fixture(string file, long batchSize)
        {
            _figures = Models.Single(model => model.GetProperty("files").EnumerateArray().Any(name => name.GetString() == file));
            Tolerance = _figures.GetProperty("precision").GetString() == "f64" ? 1e-9 : 1e-4;
            _model = Checkpoint.Load(TorchScriptFileTests.Fixture(file));
            using Dataset data = DataFile.Read(TorchScriptFileTests.Fixture(_figures.GetProperty("data").GetString()!), new DataOptions());
            _data = data.To(ParameterSpace.Of(_model.Module).DType, CPU);
            Objective = Objective.Supervised(_model.Module, KnownLosses.Create("cross-entropy"), _data.Batches(batchSize));
        }

        public Objective Objective { get; }

        /// <summary>Relative.</summary>
        public double Tolerance { get; }

        public double this[string figure] => _figures.GetProperty(figure).GetDouble();

        public double[] Numbers(string figure) => [.. _figures.GetProperty(figure).EnumerateArray().Select(number => number.GetDouble())];

        /// <summary>A stored vector, from PyTorch's order of the parameters to ours.</summary>
        public Tensor Vector(string figure)
        {
            ParameterSpace space = Objective.Parameters;
            Dictionary<string, Tensor> byName = space.Names.Zip(space.Parameters).ToDictionary();
            Tensor stored = tensor(Numbers(figure));
            var parts = new Dictionary<string, Tensor>();
            long start = 0;
            foreach (string name in _figures.GetProperty("names").EnumerateArray().Select(name => name.GetString()!))
            {
                Tensor parameter = byName[name];
                parts[name] = stored.narrow(0, start, parameter.numel()).reshape(parameter.shape).to(space.DType);
                start += parameter.numel();
            }

            Assert.Equal(stored.numel(), start);
            return space.Flatten([.. space.Names.Select(name => parts[name])]);
        }

        public void Dispose()
        {
            _data.Dispose();
            _model.Dispose();
        }
    }
}
