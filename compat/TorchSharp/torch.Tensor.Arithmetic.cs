namespace TorchSharp;

public static partial class torch
{
    /// <summary>How a quotient is rounded: not at all, towards zero, or down.</summary>
    public enum RoundingMode
    {
        None = 0,
        trunc = 1,
        floor = 2,
    }

    public partial class Tensor
    {
        private static readonly Op Add = new("add", "Tensor"), AddScalar = new("add", "Scalar");
        private static readonly Op Sub = new("sub", "Tensor"), SubScalar = new("sub", "Scalar"), Rsub = new("rsub", "Scalar");
        private static readonly Op Mul = new("mul", "Tensor"), MulScalar = new("mul", "Scalar");
        private static readonly Op Div = new("div", "Tensor"), DivScalar = new("div", "Scalar");
        private static readonly Op DivMode = new("div", "Tensor_mode"), DivScalarMode = new("div", "Scalar_mode");
        private static readonly Op Remainder = new("remainder", "Tensor"), RemainderScalar = new("remainder", "Scalar");
        private static readonly Op Pow = new("pow", "Tensor_Tensor"), PowScalar = new("pow", "Tensor_Scalar");
        private static readonly Op Lerp = new("lerp", "Tensor"), Addcmul = new("addcmul"), Addcdiv = new("addcdiv");
        private static readonly Op Maximum = new("maximum"), Minimum = new("minimum");
        private static readonly Op Clamp = new("clamp"), ClampTensor = new("clamp", "Tensor"), ClampMin = new("clamp_min"), ClampMax = new("clamp_max");

        public Tensor add(Tensor target) => Add.Call(this, target);
        public Tensor add(Tensor target, Scalar alpha) => Add.Call(this, target, alpha);
        public Tensor add(Scalar scalar) => AddScalar.Call(this, scalar);
        public Tensor sub(Tensor target) => Sub.Call(this, target);
        public Tensor sub(Scalar target) => SubScalar.Call(this, target);
        public Tensor mul(Tensor target) => Mul.Call(this, target);
        public Tensor mul(Scalar target) => MulScalar.Call(this, target);
        public Tensor div(Tensor target, RoundingMode rounding_mode = RoundingMode.None) =>
            rounding_mode == RoundingMode.None ? Div.Call(this, target) : DivMode.Call(this, target, rounding_mode.ToString());
        public Tensor div(Scalar target, RoundingMode rounding_mode = RoundingMode.None) =>
            rounding_mode == RoundingMode.None ? DivScalar.Call(this, target) : DivScalarMode.Call(this, target, rounding_mode.ToString());
        public Tensor remainder(Tensor target) => Remainder.Call(this, target);
        public Tensor remainder(Scalar scalar) => RemainderScalar.Call(this, scalar);
        public Tensor pow(Tensor exponent) => Pow.Call(this, exponent);
        public Tensor pow(Scalar exponent) => PowScalar.Call(this, exponent);
        public Tensor lerp(Tensor end, Tensor weight) => Lerp.Call(this, end, weight);
        public Tensor addcmul(Tensor tensor1, Tensor tensor2, Scalar value) => Addcmul.Call(this, tensor1, tensor2, value);
        public Tensor addcdiv(Tensor tensor1, Tensor tensor2, Scalar value) => Addcdiv.Call(this, tensor1, tensor2, value);
        public Tensor addcdiv(Tensor tensor1, Tensor tensor2) => Addcdiv.Call(this, tensor1, tensor2);
        public Tensor maximum(Tensor other) => Maximum.Call(this, other);
        public Tensor minimum(Tensor other) => Minimum.Call(this, other);
        public Tensor clamp(Scalar? min = null, Scalar? max = null) => Clamp.Call(this, min, max);
        public Tensor clamp(Tensor? min = null, Tensor? max = null) => ClampTensor.Call(this, min, max);
        public Tensor clamp_min(Scalar min) => ClampMin.Call(this, min);
        public Tensor clamp_max(Scalar max) => ClampMax.Call(this, max);

        // In place; each returns this.
        private static readonly Op AddInPlace = new("add_", "Tensor"), AddScalarInPlace = new("add_", "Scalar");
        private static readonly Op SubInPlace = new("sub_", "Tensor"), SubScalarInPlace = new("sub_", "Scalar");
        private static readonly Op MulInPlace = new("mul_", "Tensor"), MulScalarInPlace = new("mul_", "Scalar");
        private static readonly Op DivInPlace = new("div_", "Tensor"), DivScalarInPlace = new("div_", "Scalar");
        private static readonly Op DivModeInPlace = new("div_", "Tensor_mode"), DivScalarModeInPlace = new("div_", "Scalar_mode");
        private static readonly Op PowInPlace = new("pow_", "Tensor"), PowScalarInPlace = new("pow_", "Scalar");
        private static readonly Op LerpInPlace = new("lerp_", "Tensor"), AddcmulInPlace = new("addcmul_"), AddcdivInPlace = new("addcdiv_");
        private static readonly Op ClampInPlace = new("clamp_"), ClampMinInPlace = new("clamp_min_"), ClampMaxInPlace = new("clamp_max_");

        public Tensor add_(Tensor target) => AddInPlace.CallInPlace(this, target);
        public Tensor add_(Tensor target, Scalar alpha) => AddInPlace.CallInPlace(this, target, alpha);
        public Tensor add_(Scalar scalar) => AddScalarInPlace.CallInPlace(this, scalar);
        public Tensor sub_(Tensor target) => SubInPlace.CallInPlace(this, target);
        public Tensor sub_(Scalar target) => SubScalarInPlace.CallInPlace(this, target);
        public Tensor mul_(Tensor target) => MulInPlace.CallInPlace(this, target);
        public Tensor mul_(Scalar target) => MulScalarInPlace.CallInPlace(this, target);
        public Tensor div_(Tensor target, RoundingMode rounding_mode = RoundingMode.None) =>
            rounding_mode == RoundingMode.None ? DivInPlace.CallInPlace(this, target) : DivModeInPlace.CallInPlace(this, target, rounding_mode.ToString());
        public Tensor div_(Scalar target, RoundingMode rounding_mode = RoundingMode.None) =>
            rounding_mode == RoundingMode.None ? DivScalarInPlace.CallInPlace(this, target) : DivScalarModeInPlace.CallInPlace(this, target, rounding_mode.ToString());
        public Tensor pow_(Tensor exponent) => PowInPlace.CallInPlace(this, exponent);
        public Tensor pow_(Scalar exponent) => PowScalarInPlace.CallInPlace(this, exponent);
        public Tensor lerp_(Tensor end, Tensor weight) => LerpInPlace.CallInPlace(this, end, weight);
        public Tensor addcmul_(Tensor tensor1, Tensor tensor2, Scalar value) => AddcmulInPlace.CallInPlace(this, tensor1, tensor2, value);
        public Tensor addcdiv_(Tensor tensor1, Tensor tensor2, Scalar value) => AddcdivInPlace.CallInPlace(this, tensor1, tensor2, value);
        public Tensor addcdiv_(Tensor tensor1, Tensor tensor2) => AddcdivInPlace.CallInPlace(this, tensor1, tensor2);
        public Tensor clamp_(Scalar? min = null, Scalar? max = null) => ClampInPlace.CallInPlace(this, min, max);
        public Tensor clamp_min_(Scalar min) => ClampMinInPlace.CallInPlace(this, min);
        public Tensor clamp_max_(Scalar max) => ClampMaxInPlace.CallInPlace(this, max);
    }

    public static Tensor add(Tensor left, Tensor right) => left.add(right);
    public static Tensor add(Tensor left, Scalar right) => left.add(right);
    public static Tensor add(Tensor left, Tensor right, Scalar alpha) => left.add(right, alpha);
    public static Tensor sub(Tensor left, Tensor right) => left.sub(right);
    public static Tensor sub(Tensor left, Scalar right) => left.sub(right);
    public static Tensor mul(Tensor left, Tensor right) => left.mul(right);
    public static Tensor mul(Tensor left, Scalar right) => left.mul(right);
    public static Tensor div(Tensor left, Tensor right, RoundingMode rounding_mode = RoundingMode.None) => left.div(right, rounding_mode);
    public static Tensor div(Tensor left, Scalar right, RoundingMode rounding_mode = RoundingMode.None) => left.div(right, rounding_mode);
    public static Tensor pow(Tensor left, Tensor exponent) => left.pow(exponent);
    public static Tensor pow(Tensor left, Scalar exponent) => left.pow(exponent);
    public static Tensor maximum(Tensor input, Tensor other) => input.maximum(other);
    public static Tensor minimum(Tensor input, Tensor other) => input.minimum(other);
    public static Tensor clamp(Tensor input, Scalar? min = null, Scalar? max = null) => input.clamp(min, max);
    public static Tensor clamp(Tensor input, Tensor? min = null, Tensor? max = null) => input.clamp(min, max);
}
