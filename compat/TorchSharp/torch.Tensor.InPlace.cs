namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op CopyInPlace = new("copy_"), FillInPlace = new("fill_", "Scalar"), ZeroInPlace = new("zero_");
        private static readonly Op TrilInPlace = new("tril_"), TriuInPlace = new("triu_");
        private static readonly Op NormalInPlace = new("normal_"), UniformInPlace = new("uniform_"), BernoulliInPlace = new("bernoulli_", "float");

        public Tensor copy_(Tensor source, bool nonBlocking = false) => CopyInPlace.CallInPlace(this, source, nonBlocking);
        public Tensor fill_(Scalar value) => FillInPlace.CallInPlace(this, value);

        // These three give a new handle, as in TorchSharp, where all others return this.
        public Tensor zero_() => ZeroInPlace.Call(this);
        public Tensor tril_(long diagonal = 0) => TrilInPlace.Call(this, diagonal);
        public Tensor triu_(long diagonal = 0) => TriuInPlace.Call(this, diagonal);

        // Draws.
        public Tensor normal_(double mean = 0, double std = 1, Generator? generator = null) => NormalInPlace.CallInPlace(this, mean, std, generator);
        public Tensor uniform_(double from, double to, Generator? generator = null) => UniformInPlace.CallInPlace(this, from, to, generator);
        public Tensor bernoulli_(double p = 0.5, Generator? generator = null) => BernoulliInPlace.CallInPlace(this, p, generator);
    }
}
