namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        // A long has overloads of its own, called or not: without them it would become a double, and an integer tensor a floating-point one.
        public static Tensor operator +(Tensor left, Tensor right) => Add.Call(left, right);
        public static Tensor operator +(Tensor left, int right) => AddScalar.Call(left, right);
        public static Tensor operator +(Tensor left, long right) => AddScalar.Call(left, right);
        public static Tensor operator +(Tensor left, double right) => AddScalar.Call(left, right);
        public static Tensor operator +(int left, Tensor right) => AddScalar.Call(right, left);
        public static Tensor operator +(long left, Tensor right) => AddScalar.Call(right, left);

        public static Tensor operator -(Tensor tensor) => tensor.neg();
        public static Tensor operator -(Tensor left, Tensor right) => Sub.Call(left, right);
        public static Tensor operator -(Tensor left, int right) => SubScalar.Call(left, right);
        public static Tensor operator -(Tensor left, long right) => SubScalar.Call(left, right);
        public static Tensor operator -(Tensor left, double right) => SubScalar.Call(left, right);
        public static Tensor operator -(int left, Tensor right) => Rsub.Call(right, left);
        public static Tensor operator -(long left, Tensor right) => Rsub.Call(right, left);
        public static Tensor operator -(double left, Tensor right) => Rsub.Call(right, left);

        public static Tensor operator *(Tensor left, Tensor right) => Mul.Call(left, right);
        public static Tensor operator *(Tensor left, int right) => MulScalar.Call(left, right);
        public static Tensor operator *(Tensor left, long right) => MulScalar.Call(left, right);
        public static Tensor operator *(Tensor left, double right) => MulScalar.Call(left, right);
        public static Tensor operator *(int left, Tensor right) => MulScalar.Call(right, left);
        public static Tensor operator *(long left, Tensor right) => MulScalar.Call(right, left);
        public static Tensor operator *(double left, Tensor right) => MulScalar.Call(right, left);

        public static Tensor operator /(Tensor left, Tensor right) => Div.Call(left, right);
        public static Tensor operator /(Tensor left, int right) => DivScalar.Call(left, right);
        public static Tensor operator /(Tensor left, long right) => DivScalar.Call(left, right);
        public static Tensor operator /(Tensor left, double right) => DivScalar.Call(left, right);
        public static Tensor operator /(int left, Tensor right) => Quotient(left, right);
        public static Tensor operator /(long left, Tensor right) => Quotient(left, right);

        public static Tensor operator %(Tensor left, int right) => RemainderScalar.Call(left, right);

        // Elementwise: a comparison of references is `is null`.
        public static Tensor operator ==(Tensor left, Tensor right) => left.eq(right);
        public static Tensor operator !=(Tensor left, Tensor right) => left.ne(right);
        public static Tensor operator <(Tensor left, Scalar right) => left.lt(right);
        public static Tensor operator >(Tensor left, Scalar right) => left.gt(right);

        private static Tensor Quotient(Val left, Tensor right)
        {
            using var inverse = right.reciprocal();
            return MulScalar.Call(inverse, left);
        }
    }
}
