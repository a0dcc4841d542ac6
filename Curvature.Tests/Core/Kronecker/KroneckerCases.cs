using Curvature.Objectives;
using Curvature.Tests.Reference;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Kronecker;

/// <summary>Small networks in float64 for the tests of Kronecker factors.</summary>
internal static class KroneckerCases
{
    public const long Rows = 7;

    public static Linear Linear(long inputs, long outputs, bool bias = true) => nn.Linear(inputs, outputs, bias, dtype: ScalarType.Float64).to(Here);

    public static Tensor Inputs(params long[] shape) => randn([Rows, .. shape], ScalarType.Float64).to(Here);

    public static Tensor Labels(long classes, params long[] shape) =>
        arange(shape.Aggregate(1L, (product, size) => product * size), ScalarType.Int64, device: Here).remainder(classes).reshape(shape);

    /// <summary>A linear network of three layers, over one vector or several positions a row.</summary>
    public static nn.Module<Tensor, Tensor> DeepLinear() => nn.Sequential(("fc1", Linear(4, 3)), ("fc2", Linear(3, 5, bias: false)), ("fc3", Linear(5, 2))).to(Here);

    /// <summary>The same problem with only its first row.</summary>
    public static Problem FirstRow(Problem problem) =>
        new(problem.Model, problem.Inputs.narrow(0, 0, 1), problem.Targets.narrow(0, 0, 1), problem.Loss.Name, problem.LossOptions) { Parameters = problem.Parameters };

    /// <summary>A batch of rows [N, T, in] folded to [N T, in] for a linear layer in between.</summary>
    public sealed class Folded : nn.Module<Tensor, Tensor>
    {
        private readonly Linear fc1 = Linear(4, 3);
        private readonly Linear fc2 = Linear(3, 2);

        public Folded() : base("folded") => RegisterComponents();

        public override Tensor forward(Tensor input) => fc2.call(fc1.call(input.reshape(-1, 4)).tanh().reshape(input.shape[0], -1, 3));
    }

    /// <summary>Rows of a sequence through deep linear layers, then the mean over positions.</summary>
    public sealed class Pooled : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> layers = DeepLinear();

        public Pooled() : base("pooled") => RegisterComponents();

        public override Tensor forward(Tensor input) => layers.call(input).mean([1L]);
    }

    /// <summary>One layer called twice, with tanh between.</summary>
    public sealed class Twice : nn.Module<Tensor, Tensor>
    {
        private readonly Linear fc = Linear(3, 3);
        private readonly Linear head = Linear(3, 2);

        public Twice() : base("twice") => RegisterComponents();

        public override Tensor forward(Tensor input) => head.call(fc.call(fc.call(input).tanh()).tanh());
    }

    /// <summary>One layer applied to the two halves of a row, then the sum: the same as two positions that are pooled.</summary>
    public sealed class Halves : nn.Module<Tensor, Tensor>
    {
        private readonly Linear fc = Linear(4, 2);

        public Halves() : base("halves") => RegisterComponents();

        public override Tensor forward(Tensor input) => fc.call(input.narrow(1, 0, 4)).add(fc.call(input.narrow(1, 4, 4)));
    }

    /// <summary>A parameter that multiplies features, in a module of no known kind.</summary>
    public sealed class Scaled : nn.Module<Tensor, Tensor>
    {
        private readonly Linear fc = Linear(4, 3);
        private readonly Parameter scale = new(ones(3, ScalarType.Float64, device: Here).mul(1.5));

        public Scaled() : base("scaled") => RegisterComponents();

        public override Tensor forward(Tensor input) => fc.call(input).tanh().mul(scale);
    }

    /// <summary>An embedding whose weight is the head's too, as modules.</summary>
    public sealed class TiedHead : nn.Module<Tensor, Tensor>
    {
        private readonly Embedding tokens = nn.Embedding(5, 3, dtype: ScalarType.Float64).to(Here);
        private readonly Linear head = Linear(3, 5, bias: false);

        public TiedHead() : base("tied head")
        {
            head.weight = tokens.weight!;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => head.call(tokens.call(input).tanh()).transpose(1, 2);
    }

    /// <summary>Tokens, an embedding, a linear layer a position.</summary>
    public static Problem Tokens(LossOptions? options = null) => new(
        nn.Sequential(("tokens", nn.Embedding(5, 3, dtype: ScalarType.Float64)), ("fc", Linear(3, 4)), ("flip", new Flip())).to(Here),
        Labels(5, Rows, 3),
        Labels(4, Rows, 3),
        "cross-entropy",
        options);

    /// <summary>Positions to the end, where cross-entropy wants them.</summary>
    public sealed class Flip : nn.Module<Tensor, Tensor>
    {
        public Flip() : base("flip")
        {
        }

        public override Tensor forward(Tensor input) => input.transpose(1, 2);
    }
}
