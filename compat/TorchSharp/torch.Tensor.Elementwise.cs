namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        // Elementwise functions of one tensor.
        private static readonly Op Abs = new("abs");
        private static readonly Op Cos = new("cos");
        private static readonly Op Erf = new("erf");
        private static readonly Op Exp = new("exp");
        private static readonly Op Log = new("log");
        private static readonly Op Log1p = new("log1p");
        private static readonly Op Neg = new("neg");
        private static readonly Op Reciprocal = new("reciprocal");
        private static readonly Op Relu = new("relu");
        private static readonly Op Round = new("round", "decimals");
        private static readonly Op Rsqrt = new("rsqrt");
        private static readonly Op Sigmoid = new("sigmoid");
        private static readonly Op Sign = new("sign");
        private static readonly Op Sin = new("sin");
        private static readonly Op Sqrt = new("sqrt");
        private static readonly Op Square = new("square");
        private static readonly Op Tanh = new("tanh");
        private static readonly Op LogicalNot = new("logical_not");
        private static readonly Op Isfinite = new("isfinite");
        private static readonly Op Silu = new("silu");
        private static readonly Op Gelu = new("gelu");

        public Tensor abs() => Abs.Call(this);
        public Tensor cos() => Cos.Call(this);
        public Tensor erf() => Erf.Call(this);
        public Tensor exp() => Exp.Call(this);
        public Tensor log() => Log.Call(this);
        public Tensor log1p() => Log1p.Call(this);
        public Tensor neg() => Neg.Call(this);
        public Tensor reciprocal() => Reciprocal.Call(this);
        public Tensor relu() => Relu.Call(this);
        public Tensor round(long decimals = 0) => Round.Call(this, decimals);
        public Tensor rsqrt() => Rsqrt.Call(this);
        public Tensor sigmoid() => Sigmoid.Call(this);
        public Tensor sign() => Sign.Call(this);
        public Tensor sin() => Sin.Call(this);
        public Tensor sqrt() => Sqrt.Call(this);
        public Tensor square() => Square.Call(this);
        public Tensor tanh() => Tanh.Call(this);
        public Tensor logical_not() => LogicalNot.Call(this);
        public Tensor isfinite() => Isfinite.Call(this);
        public Tensor silu() => Silu.Call(this);
        public Tensor gelu() => Gelu.Call(this);


        // The same in place; each returns this.
        private static readonly Op ReluInPlace = new("relu_");
        private static readonly Op TanhInPlace = new("tanh_");

        public Tensor relu_() => ReluInPlace.CallInPlace(this);
        public Tensor tanh_() => TanhInPlace.CallInPlace(this);
    }
}
