namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        // Elementwise functions of one tensor.
        private static readonly Op Abs = new("abs");
        private static readonly Op Ceil = new("ceil");
        private static readonly Op Cos = new("cos");
        private static readonly Op Erf = new("erf");
        private static readonly Op Exp = new("exp");
        private static readonly Op Floor = new("floor");
        private static readonly Op Log = new("log");
        private static readonly Op Log1p = new("log1p");
        private static readonly Op Neg = new("neg");
        private static readonly Op Reciprocal = new("reciprocal");
        private static readonly Op Relu = new("relu");
        private static readonly Op Rsqrt = new("rsqrt");
        private static readonly Op Sigmoid = new("sigmoid");
        private static readonly Op Sign = new("sign");
        private static readonly Op Sin = new("sin");
        private static readonly Op Sqrt = new("sqrt");
        private static readonly Op Square = new("square");
        private static readonly Op Tanh = new("tanh");
        private static readonly Op LogicalNot = new("logical_not");
        private static readonly Op Isfinite = new("isfinite");
        private static readonly Op Isinf = new("isinf");
        private static readonly Op Isnan = new("isnan");
        private static readonly Op Silu = new("silu");
        private static readonly Op Gelu = new("gelu");

        public Tensor abs() => Abs.Call(this);
        public Tensor ceil() => Ceil.Call(this);
        public Tensor cos() => Cos.Call(this);
        public Tensor erf() => Erf.Call(this);
        public Tensor exp() => Exp.Call(this);
        public Tensor floor() => Floor.Call(this);
        public Tensor log() => Log.Call(this);
        public Tensor log1p() => Log1p.Call(this);
        public Tensor neg() => Neg.Call(this);
        public Tensor reciprocal() => Reciprocal.Call(this);
        public Tensor relu() => Relu.Call(this);
        public Tensor rsqrt() => Rsqrt.Call(this);
        public Tensor sigmoid() => Sigmoid.Call(this);
        public Tensor sign() => Sign.Call(this);
        public Tensor sin() => Sin.Call(this);
        public Tensor sqrt() => Sqrt.Call(this);
        public Tensor square() => Square.Call(this);
        public Tensor tanh() => Tanh.Call(this);
        public Tensor logical_not() => LogicalNot.Call(this);
        public Tensor isfinite() => Isfinite.Call(this);
        public Tensor isinf() => Isinf.Call(this);
        public Tensor isnan() => Isnan.Call(this);
        public Tensor silu() => Silu.Call(this);
        public Tensor gelu() => Gelu.Call(this);

        public Tensor round(long decimals = 0) => decimals == 0 ? Round.Call(this) : RoundDecimals.Call(this, decimals);
        public Tensor nan_to_num(double nan = 0, double? posinf = null, double? neginf = null) => NanToNum.Call(this, nan, posinf, neginf);

        private static readonly Op Round = new("round"), RoundDecimals = new("round", "decimals"), NanToNum = new("nan_to_num");

        // The same in place; each returns this.
        private static readonly Op AbsInPlace = new("abs_");
        private static readonly Op NegInPlace = new("neg_");
        private static readonly Op ReciprocalInPlace = new("reciprocal_");
        private static readonly Op ReluInPlace = new("relu_");
        private static readonly Op RsqrtInPlace = new("rsqrt_");
        private static readonly Op SigmoidInPlace = new("sigmoid_");
        private static readonly Op SignInPlace = new("sign_");
        private static readonly Op SqrtInPlace = new("sqrt_");
        private static readonly Op TanhInPlace = new("tanh_");
        private static readonly Op RoundInPlace = new("round_"), RoundDecimalsInPlace = new("round_", "decimals");

        public Tensor abs_() => AbsInPlace.CallInPlace(this);
        public Tensor neg_() => NegInPlace.CallInPlace(this);
        public Tensor relu_() => ReluInPlace.CallInPlace(this);
        public Tensor reciprocal_() => ReciprocalInPlace.CallInPlace(this);
        public Tensor rsqrt_() => RsqrtInPlace.CallInPlace(this);
        public Tensor sigmoid_() => SigmoidInPlace.CallInPlace(this);
        public Tensor sign_() => SignInPlace.CallInPlace(this);
        public Tensor sqrt_() => SqrtInPlace.CallInPlace(this);
        public Tensor tanh_() => TanhInPlace.CallInPlace(this);
        public Tensor round_(long decimals = 0) => decimals == 0 ? RoundInPlace.CallInPlace(this) : RoundDecimalsInPlace.CallInPlace(this, decimals);
    }

    public static Tensor abs(Tensor input) => input.abs();
    public static Tensor ceil(Tensor input) => input.ceil();
    public static Tensor cos(Tensor input) => input.cos();
    public static Tensor erf(Tensor input) => input.erf();
    public static Tensor exp(Tensor input) => input.exp();
    public static Tensor floor(Tensor input) => input.floor();
    public static Tensor log(Tensor input) => input.log();
    public static Tensor log1p(Tensor input) => input.log1p();
    public static Tensor neg(Tensor input) => input.neg();
    public static Tensor reciprocal(Tensor input) => input.reciprocal();
    public static Tensor rsqrt(Tensor input) => input.rsqrt();
    public static Tensor sign(Tensor input) => input.sign();
    public static Tensor sin(Tensor input) => input.sin();
    public static Tensor sqrt(Tensor input) => input.sqrt();
    public static Tensor square(Tensor input) => input.square();
    public static Tensor tanh(Tensor input) => input.tanh();
    public static Tensor logical_not(Tensor input) => input.logical_not();
    public static Tensor isfinite(Tensor tensor) => tensor.isfinite();
    public static Tensor isinf(Tensor tensor) => tensor.isinf();
    public static Tensor isnan(Tensor input) => input.isnan();
    public static Tensor round(Tensor input, long decimals = 0) => input.round(decimals);
    public static Tensor nan_to_num(Tensor input, double nan = 0, double? posinf = null, double? neginf = null) => input.nan_to_num(nan, posinf, neginf);
}
