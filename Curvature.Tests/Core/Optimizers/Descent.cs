using Curvature.Objectives;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Optimizers;

/// <summary>A least-squares problem for optimizers: a model, its parameters, residuals by a forward function, zero loss at its solution.</summary>
internal sealed record Descent(nn.Module Model, Parameter[] Parameters, Func<Tensor> Forward, Tensor Targets)
{
    private static readonly Dictionary<string, Func<ScalarType, Descent>> Catalogue = new()
    {
        ["quadratic"] = type => Of([Start([3], type)], [1, -0.5, 3], p => p[0].mul(tensor([1.0, 0.3, 3.0], type, device: Here))),
        ["rosenbrock"] = type => Of([new(tensor([-1.2, 1.0], type, device: Here))], [0, 1], p => stack([p[0][1].sub(p[0][0].square()).mul(3), p[0][0]])),
        ["matrix factorisation"] = type => Of([Start([2, 1], type), Start([1, 2], type)], [1, 2, 0.5, 1], p => p[0].mm(p[1])),
        ["mixed shapes"] = type => Of(
            [Start([1], type), Start([2], type), Start([2, 2], type), Start([2, 1, 2, 2], type), Start([1, 2, 2], type)],
            [0.5, -0.5, 0.2, 0.4, 0.1, 0.3, 1],
            p => cat([p[1].mul(p[0]).tanh(), p[2].mm(p[4].reshape(2, 2)).reshape(-1), p[3].sum().unsqueeze(0)])),
        ["linear layers"] = Layers,
    };

    public static IReadOnlyList<string> Names => [.. Catalogue.Keys];

    public static ICurvatureLoss Loss { get; } = new MeanSquaredError();

    public static Descent Create(string name, ScalarType type = ScalarType.Float64)
    {
        random.manual_seed(2);
        return Catalogue[name](type);
    }

    public Tensor Value() => Loss.Value(Forward(), Targets);

    public Tensor Theta() => cat([.. Parameters.Select(p => p.detach().reshape(-1)), zeros(0, Parameters[0].dtype, device: Here)]);

    private static Descent Of(Parameter[] parameters, double[] targets, Func<Parameter[], Tensor> forward)
    {
        Formula model = new(parameters, forward);
        return new(model, parameters, () => model.call(empty(0, device: Here)), tensor(targets, parameters[0].dtype, device: Here));
    }

    private static Descent Layers(ScalarType type)
    {
        nn.Module<Tensor, Tensor> model = nn.Sequential(("fc1", nn.Linear(3, 4, dtype: type)), ("fc2", nn.Linear(4, 2, dtype: type))).to(Here);
        Tensor x = randn(6, 3, type).to(Here);
        return new(model, [.. model.parameters()], () => model.call(x), x.mm(tensor(new[,] { { 1.0, 0.2 }, { -0.5, 1 }, { 0.3, 0.7 } }, device: Here).to(type)).add(0.4));
    }

    private static Parameter Start(long[] shape, ScalarType type) => new(randn(shape, type).to(Here).mul(0.5).add(0.3));

    /// <summary>Parameters of a module's own, and a formula.</summary>
    private sealed class Formula : nn.Module<Tensor, Tensor>
    {
        private readonly Parameter[] _own;
        private readonly Func<Parameter[], Tensor> _formula;

        public Formula(Parameter[] own, Func<Parameter[], Tensor> formula) : base("formula")
        {
            (_own, _formula) = (own, formula);
            for (int i = 0; i < own.Length; i++)
            {
                register_parameter($"p{i}", own[i]);
            }
        }

        public override Tensor forward(Tensor input) => _formula(_own).reshape(-1);
    }
}
