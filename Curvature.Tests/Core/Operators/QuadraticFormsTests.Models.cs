using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

/// <summary>Models that are not cut, or that are in a way of their own.</summary>
public sealed partial class QuadraticFormsTests
{
    /// <summary>The slope of an energy along its input: a model that is a derivative.</summary>
    private sealed class Force : nn.Module<Tensor, Tensor>
    {
        private readonly Linear first = nn.Linear(4, 3, dtype: ScalarType.Float64).to(Here), second = nn.Linear(3, 1, dtype: ScalarType.Float64).to(Here);

        public Force() : base("force") => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            using IDisposable grad = enable_grad();
            Tensor x = input.detach().requires_grad_(), energy = second.call(first.call(x).tanh()).sum();
            return autograd.grad([energy], [x], retain_graph: true, create_graph: true, allow_unused: true)[0].sum(1, keepdim: true);
        }
    }

    /// <summary>A parameter that belongs to no layer.</summary>
    private sealed class Scale : nn.Module<Tensor, Tensor>
    {
        private readonly Parameter scale = new(ones(4, ScalarType.Float64, device: Here));

        public Scale() : base("scale") => RegisterComponents();

        public override Tensor forward(Tensor input) => input.mul(scale.exp()).sum(1, keepdim: true);
    }

    /// <summary>Two layers with one input, a gate between them, and the first layer again behind.</summary>
    private sealed class Branches : nn.Module<Tensor, Tensor>
    {
        private readonly Linear value = nn.Linear(4, 4, dtype: ScalarType.Float64).to(Here), gate = nn.Linear(4, 4, hasBias: false, dtype: ScalarType.Float64).to(Here), unused = nn.Linear(4, 2, dtype: ScalarType.Float64).to(Here);

        public Branches() : base("branches") => RegisterComponents();

        public override Tensor forward(Tensor input)
        {
            Tensor x = value.call(input).tanh();
            unused.call(x);
            return value.call(x.add(value.call(x).mul(gate.call(x).sigmoid())));
        }
    }
}
