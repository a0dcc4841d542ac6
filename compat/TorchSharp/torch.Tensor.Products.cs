namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op Matmul = new("matmul"), Mm = new("mm"), Bmm = new("bmm"), Mv = new("mv"), Dot = new("dot"), Vdot = new("vdot");
        private static readonly Op Outer = new("outer"), Inner = new("inner"), Kron = new("kron"), Trace = new("trace"), Tensordot = new("tensordot");
        private static readonly Op Addmm = new("addmm"), Addmv = new("addmv"), Addr = new("addr"), Baddbmm = new("baddbmm");
        private static readonly Op AddmmInPlace = new("addmm_"), AddrInPlace = new("addr_"), CholeskySolve = new("cholesky_solve"), CholeskyInverse = new("cholesky_inverse");

        public Tensor matmul(Tensor target) => Matmul.Call(this, target);
        public Tensor mm(Tensor target) => Mm.Call(this, target);
        public Tensor bmm(Tensor batch2) => Bmm.Call(this, batch2);
        public Tensor mv(Tensor target) => Mv.Call(this, target);
        public Tensor dot(Tensor target) => Dot.Call(this, target);
        public Tensor vdot(Tensor target) => Vdot.Call(this, target);
        public Tensor outer(Tensor vec2) => Outer.Call(this, vec2);
        public Tensor ger(Tensor vec2) => Outer.Call(this, vec2);
        public Tensor inner(Tensor vec2) => Inner.Call(this, vec2);
        public Tensor kron(Tensor other) => Kron.Call(this, other);
        public Tensor trace() => Trace.Call(this);
        public Tensor tensordot(Tensor b, long[] dims1, long[] dims2) => Tensordot.Call(this, b, dims1, dims2);
        public Tensor addmm(Tensor mat1, Tensor mat2, float beta = 1f, float alpha = 1f) => Addmm.Call(this, mat1, mat2, beta, alpha);
        public Tensor addmm_(Tensor mat1, Tensor mat2, float beta = 1f, float alpha = 1f) => AddmmInPlace.CallInPlace(this, mat1, mat2, beta, alpha);
        public Tensor addmv(Tensor mat, Tensor vec, float beta = 1f, float alpha = 1f) => Addmv.Call(this, mat, vec, beta, alpha);
        public Tensor addr(Tensor vec1, Tensor vec2, float beta = 1f, float alpha = 1f) => Addr.Call(this, vec1, vec2, beta, alpha);
        public Tensor addr_(Tensor vec1, Tensor vec2, float beta = 1f, float alpha = 1f) => AddrInPlace.CallInPlace(this, vec1, vec2, beta, alpha);
        public Tensor baddbmm(Tensor batch1, Tensor batch2, float beta = 1f, float alpha = 1f) => Baddbmm.Call(this, batch1, batch2, beta, alpha);
        public Tensor cholesky_solve(Tensor input2, bool upper = false) => CholeskySolve.Call(this, input2, upper);
        public Tensor cholesky_inverse(bool upper = false) => CholeskyInverse.Call(this, upper);
    }

    private static readonly Op Einsum = new("einsum");

    public static Tensor matmul(Tensor input, Tensor target) => input.matmul(target);
    public static Tensor mm(Tensor input, Tensor target) => input.mm(target);
    public static Tensor bmm(Tensor input, Tensor batch2) => input.bmm(batch2);
    public static Tensor mv(Tensor input, Tensor target) => input.mv(target);
    public static Tensor dot(Tensor input, Tensor other) => input.dot(other);
    public static Tensor vdot(Tensor input, Tensor target) => input.vdot(target);
    public static Tensor outer(Tensor input, Tensor vec2) => input.outer(vec2);
    public static Tensor inner(Tensor input, Tensor vec2) => input.inner(vec2);
    public static Tensor kron(Tensor input, Tensor other) => input.kron(other);
    public static Tensor trace(Tensor input) => input.trace();
    public static Tensor tensordot(Tensor a, Tensor b, long[] dims1, long[] dims2) => a.tensordot(b, dims1, dims2);
    public static Tensor einsum(string equation, params Tensor[] tensors) => Einsum.Call(equation, tensors);
    public static Tensor cholesky_solve(Tensor input, Tensor input2, bool upper = false) => input.cholesky_solve(input2, upper);
    public static Tensor cholesky_inverse(Tensor input, bool upper = false) => input.cholesky_inverse(upper);
}
