using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Operators;

/// <summary>Models that are not cut, or that are in a way of their own.</summary>
public sealed partial class QuadraticFormsTests
{
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
