namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op CopyInPlace = new("copy_"), FillInPlace = new("fill_", "Scalar"), ZeroInPlace = new("zero_");
        private static readonly Op SetInPlace = new("set_", "source_Tensor"), TrilInPlace = new("tril_"), TriuInPlace = new("triu_");
        private static readonly Op SqueezeInPlace = new("squeeze_"), SqueezeDimInPlace = new("squeeze_", "dim"), UnsqueezeInPlace = new("unsqueeze_"), TransposeInPlace = new("transpose_");
        private static readonly Op NormalInPlace = new("normal_"), UniformInPlace = new("uniform_"), BernoulliInPlace = new("bernoulli_", "float");
        private static readonly Op BernoulliOp = new("bernoulli"), RandomInPlace = new("random_", "from"), ExponentialInPlace = new("exponential_"), Multinomial = new("multinomial");

        public Tensor copy_(Tensor source, bool nonBlocking = false) => CopyInPlace.CallInPlace(this, source, nonBlocking);
        public Tensor fill_(Scalar value) => FillInPlace.CallInPlace(this, value);
        public Tensor set_(Tensor source) => SetInPlace.CallInPlace(this, source);
        public Tensor squeeze_(long? dim = null) => dim is long one ? SqueezeDimInPlace.CallInPlace(this, one) : SqueezeInPlace.CallInPlace(this);
        public Tensor unsqueeze_(long dim) => UnsqueezeInPlace.CallInPlace(this, dim);
        public Tensor transpose_(long dim0, long dim1) => TransposeInPlace.CallInPlace(this, dim0, dim1);

        // These three give a new handle, as in TorchSharp, where all others return this.
        public Tensor zero_() => ZeroInPlace.Call(this);
        public Tensor tril_(long diagonal = 0) => TrilInPlace.Call(this, diagonal);
        public Tensor triu_(long diagonal = 0) => TriuInPlace.Call(this, diagonal);

        // Draws.
        public Tensor normal_(double mean = 0, double std = 1, Generator? generator = null) => NormalInPlace.CallInPlace(this, mean, std, generator);
        public Tensor uniform_(double from, double to, Generator? generator = null) => UniformInPlace.CallInPlace(this, from, to, generator);
        public Tensor bernoulli_(double p = 0.5, Generator? generator = null) => BernoulliInPlace.CallInPlace(this, p, generator);
        public Tensor bernoulli(Generator? generator = null) => BernoulliOp.Call(this, generator);
        public Tensor random_(double from, double to, Generator? generator = null) => RandomInPlace.CallInPlace(this, (long)from, (long)to, generator);
        public Tensor exponential_(double lambda = 1, Generator? generator = null) => ExponentialInPlace.CallInPlace(this, lambda, generator);
        public Tensor multinomial(long num_samples, bool replacement = false, Generator? generator = null) => Multinomial.Call(this, num_samples, replacement, generator);
    }

    public static Tensor bernoulli(Tensor input, Generator? generator = null) => input.bernoulli(generator);
    public static Tensor multinomial(Tensor input, long num_samples, bool replacement = false, Generator? generator = null) => input.multinomial(num_samples, replacement, generator);
}
