namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op BitwiseAnd = new("bitwise_and", "Tensor"), BitwiseOr = new("bitwise_or", "Tensor");
        private static readonly Op BitwiseXor = new("bitwise_xor", "Tensor"), BitwiseNot = new("bitwise_not");

        public static Tensor operator +(Tensor left, Tensor right) => Add.Call(left, right);
        public static Tensor operator +(Tensor left, Scalar right) => AddScalar.Call(left, right);
        public static Tensor operator +(Scalar left, Tensor right) => AddScalar.Call(right, left);
        public static Tensor operator +(Tensor left, int right) => AddScalar.Call(left, right);
        public static Tensor operator +(Tensor left, long right) => AddScalar.Call(left, right);
        public static Tensor operator +(Tensor left, float right) => AddScalar.Call(left, right);
        public static Tensor operator +(Tensor left, double right) => AddScalar.Call(left, right);
        public static Tensor operator +(int left, Tensor right) => AddScalar.Call(right, left);
        public static Tensor operator +(long left, Tensor right) => AddScalar.Call(right, left);
        public static Tensor operator +(float left, Tensor right) => AddScalar.Call(right, left);
        public static Tensor operator +(double left, Tensor right) => AddScalar.Call(right, left);

        public static Tensor operator -(Tensor tensor) => tensor.neg();
        public static Tensor operator -(Tensor left, Tensor right) => Sub.Call(left, right);
        public static Tensor operator -(Tensor left, Scalar right) => SubScalar.Call(left, right);
        public static Tensor operator -(Scalar left, Tensor right) => Rsub.Call(right, left);
        public static Tensor operator -(Tensor left, int right) => SubScalar.Call(left, right);
        public static Tensor operator -(Tensor left, long right) => SubScalar.Call(left, right);
        public static Tensor operator -(Tensor left, float right) => SubScalar.Call(left, right);
        public static Tensor operator -(Tensor left, double right) => SubScalar.Call(left, right);
        public static Tensor operator -(int left, Tensor right) => Rsub.Call(right, left);
        public static Tensor operator -(long left, Tensor right) => Rsub.Call(right, left);
        public static Tensor operator -(float left, Tensor right) => Rsub.Call(right, left);
        public static Tensor operator -(double left, Tensor right) => Rsub.Call(right, left);

        public static Tensor operator *(Tensor left, Tensor right) => Mul.Call(left, right);
        public static Tensor operator *(Tensor left, Scalar right) => MulScalar.Call(left, right);
        public static Tensor operator *(Scalar left, Tensor right) => MulScalar.Call(right, left);
        public static Tensor operator *(Tensor left, int right) => MulScalar.Call(left, right);
        public static Tensor operator *(Tensor left, long right) => MulScalar.Call(left, right);
        public static Tensor operator *(Tensor left, float right) => MulScalar.Call(left, right);
        public static Tensor operator *(Tensor left, double right) => MulScalar.Call(left, right);
        public static Tensor operator *(int left, Tensor right) => MulScalar.Call(right, left);
        public static Tensor operator *(long left, Tensor right) => MulScalar.Call(right, left);
        public static Tensor operator *(float left, Tensor right) => MulScalar.Call(right, left);
        public static Tensor operator *(double left, Tensor right) => MulScalar.Call(right, left);

        public static Tensor operator /(Tensor left, Tensor right) => Div.Call(left, right);
        public static Tensor operator /(Tensor left, Scalar right) => DivScalar.Call(left, right);
        public static Tensor operator /(Scalar left, Tensor right) => Quotient(left.Value, right);
        public static Tensor operator /(Tensor left, int right) => DivScalar.Call(left, right);
        public static Tensor operator /(Tensor left, long right) => DivScalar.Call(left, right);
        public static Tensor operator /(Tensor left, float right) => DivScalar.Call(left, right);
        public static Tensor operator /(Tensor left, double right) => DivScalar.Call(left, right);
        public static Tensor operator /(int left, Tensor right) => Quotient(left, right);
        public static Tensor operator /(long left, Tensor right) => Quotient(left, right);
        public static Tensor operator /(float left, Tensor right) => Quotient(left, right);
        public static Tensor operator /(double left, Tensor right) => Quotient(left, right);

        public static Tensor operator %(Tensor left, Tensor right) => Remainder.Call(left, right);
        public static Tensor operator %(Tensor left, Scalar right) => RemainderScalar.Call(left, right);
        public static Tensor operator %(Tensor left, int right) => RemainderScalar.Call(left, right);
        public static Tensor operator %(Tensor left, long right) => RemainderScalar.Call(left, right);
        public static Tensor operator %(Tensor left, float right) => RemainderScalar.Call(left, right);
        public static Tensor operator %(Tensor left, double right) => RemainderScalar.Call(left, right);

        public static Tensor operator &(Tensor left, Tensor right) => BitwiseAnd.Call(left, right);
        public static Tensor operator |(Tensor left, Tensor right) => BitwiseOr.Call(left, right);
        public static Tensor operator ^(Tensor left, Tensor right) => BitwiseXor.Call(left, right);
        public static Tensor operator ~(Tensor left) => BitwiseNot.Call(left);

        // Elementwise: a comparison of references is `is null`.
        public static Tensor operator ==(Tensor left, Tensor right) => left.eq(right);
        public static Tensor operator ==(Tensor left, Scalar right) => left.eq(right);
        public static Tensor operator ==(Scalar left, Tensor right) => right.eq(left);
        public static Tensor operator !=(Tensor left, Tensor right) => left.ne(right);
        public static Tensor operator !=(Tensor left, Scalar right) => left.ne(right);
        public static Tensor operator !=(Scalar left, Tensor right) => right.ne(left);
        public static Tensor operator <(Tensor left, Tensor right) => left.lt(right);
        public static Tensor operator <(Tensor left, Scalar right) => left.lt(right);
        public static Tensor operator <(Scalar left, Tensor right) => right.gt(left);
        public static Tensor operator <=(Tensor left, Tensor right) => left.le(right);
        public static Tensor operator <=(Tensor left, Scalar right) => left.le(right);
        public static Tensor operator <=(Scalar left, Tensor right) => right.ge(left);
        public static Tensor operator >(Tensor left, Tensor right) => left.gt(right);
        public static Tensor operator >(Tensor left, Scalar right) => left.gt(right);
        public static Tensor operator >(Scalar left, Tensor right) => right.lt(left);
        public static Tensor operator >=(Tensor left, Tensor right) => left.ge(right);
        public static Tensor operator >=(Tensor left, Scalar right) => left.ge(right);
        public static Tensor operator >=(Scalar left, Tensor right) => right.le(left);

        // Scalar converts to Tensor so that, where a number could become either, overload resolution prefers Scalar.
        public static implicit operator Tensor(Scalar scalar) => ScalarTensor(scalar.Value, scalar.Type);
        public static implicit operator Tensor(int value) => tensor(value);
        public static implicit operator Tensor(long value) => tensor(value);
        public static implicit operator Tensor(float value) => tensor(value);
        public static implicit operator Tensor(double value) => tensor(value);
        public static implicit operator Tensor(bool value) => tensor(value);

        public static explicit operator float(Tensor value) => value.ToSingle();
        public static explicit operator double(Tensor value) => value.ToDouble();
        public static explicit operator int(Tensor value) => value.ToInt32();
        public static explicit operator long(Tensor value) => value.ToInt64();
        public static explicit operator bool(Tensor value) => value.ToBoolean();

        private static Tensor Quotient(Val left, Tensor right)
        {
            using var inverse = right.reciprocal();
            return MulScalar.Call(inverse, left);
        }
    }
}
