using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Tests.Reference;

/// <summary>A stem, a core that maps features to features, and a linear head: tied, the core is called twice, or the head of tokens is the embedding.</summary>
internal sealed class CaseNetwork : nn.Module<Tensor, Tensor>
{
    public const long Classes = 3, Width = 3;

    private readonly nn.Module<Tensor, Tensor> stem, core;
    private readonly nn.Module<Tensor, Tensor>? head;
    private readonly bool _tied, _classesSecond;

    /// <param name="stem">From the inputs.</param>
    /// <param name="core">Its outputs have the shape of its inputs.</param>
    /// <param name="head">To the classes.</param>
    /// <param name="tied">Whether a weight acts twice.</param>
    /// <param name="classesSecond">Whether positions <c>[N, T, C]</c> become <c>[N, C, T]</c>.</param>
    public CaseNetwork(nn.Module<Tensor, Tensor> stem, nn.Module<Tensor, Tensor> core, nn.Module<Tensor, Tensor> head, bool tied, bool classesSecond) : base("case")
    {
        (_tied, _classesSecond) = (tied, classesSecond);
        (this.stem, this.core, this.head) = (stem, core, tied && stem is Embedding ? null : head);
        RegisterComponents();
    }

    public nn.Module<Tensor, Tensor> Stem => stem;

    public nn.Module<Tensor, Tensor> Core => core;

    public override Tensor forward(Tensor input) => FromStem(stem.call(input));

    /// <summary>The outputs, from the stem's.</summary>
    public Tensor FromStem(Tensor x) => FromCore(_tied && head is not null ? core.call(core.call(x)) : core.call(x));

    /// <summary>The outputs, from the core's last ones.</summary>
    public Tensor FromCore(Tensor x)
    {
        Tensor z = head is null ? x.matmul(((Embedding)stem).weight!.t()) : head.call(x);
        return _classesSecond ? z.transpose(1, 2) : z;
    }

    /// <summary>Masked attention with GELU, a shortcut and layer norm, <c>[N, T, W]</c>.</summary>
    public sealed class Mixing : nn.Module<Tensor, Tensor>
    {
        private readonly Linear query = Linear(Width, Width), key = Linear(Width, Width), value = Linear(Width, Width);
        private readonly LayerNorm norm = nn.LayerNorm(Width, dtype: ScalarType.Float64).to(Here);

        public Mixing() : base("mixing") => RegisterComponents();

        public override Tensor forward(Tensor input) => From(input, query.call(input), value.call(input));

        /// <summary>The queries of other inputs than those that all else is made of.</summary>
        public Tensor FromQueried(Tensor input, Tensor queried) => From(input, query.call(queried), value.call(input));

        /// <summary>Other values than those of the inputs.</summary>
        public Tensor FromValues(Tensor input, Tensor values) => From(input, query.call(input), values);

        public Tensor Values(Tensor input) => value.call(input);

        private Tensor From(Tensor input, Tensor queries, Tensor values)
        {
            Tensor scores = queries.bmm(key.call(input).transpose(1, 2)).div(Math.Sqrt(Width));
            Tensor future = ones(input.shape[1], input.shape[1], ScalarType.Bool, device: Here).triu(1);
            Tensor mixed = scores.masked_fill(future, double.NegativeInfinity).softmax(2).bmm(values);
            return norm.call(input.add(nn.functional.gelu(mixed)));
        }
    }

    public static Linear Linear(long inputs, long outputs) => nn.Linear(inputs, outputs, dtype: ScalarType.Float64).to(Here);
}
