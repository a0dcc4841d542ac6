namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op Matmul = new("matmul"), Mm = new("mm"), Bmm = new("bmm"), Mv = new("mv"), Dot = new("dot");
        private static readonly Op Outer = new("outer"), Kron = new("kron"), Trace = new("trace");
        private static readonly Op CholeskySolve = new("cholesky_solve"), CholeskyInverse = new("cholesky_inverse");

        public Tensor matmul(Tensor target) => Matmul.Call(this, target);
        public Tensor mm(Tensor target) => Mm.Call(this, target);
        public Tensor bmm(Tensor batch2) => Bmm.Call(this, batch2);
        public Tensor mv(Tensor target) => Mv.Call(this, target);
        public Tensor dot(Tensor target) => Dot.Call(this, target);
        public Tensor outer(Tensor vec2) => Outer.Call(this, vec2);
        public Tensor kron(Tensor other) => Kron.Call(this, other);
        public Tensor trace() => Trace.Call(this);
        public Tensor cholesky_solve(Tensor input2, bool upper = false) => CholeskySolve.Call(this, input2, upper);
        public Tensor cholesky_inverse(bool upper = false) => CholeskyInverse.Call(this, upper);
    }

    private static readonly Op Einsum = new("einsum");

    public static Tensor kron(Tensor input, Tensor other) => input.kron(other);
    public static Tensor einsum(string equation, params Tensor[] tensors) => Einsum.Call(equation, tensors);
    public static Tensor cholesky_inverse(Tensor input, bool upper = false) => input.cholesky_inverse(upper);
}
