namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op Eq = new("eq", "Tensor"), EqScalar = new("eq", "Scalar"), Ne = new("ne", "Tensor"), NeScalar = new("ne", "Scalar");
        private static readonly Op Lt = new("lt", "Tensor"), LtScalar = new("lt", "Scalar"), Le = new("le", "Tensor"), LeScalar = new("le", "Scalar");
        private static readonly Op Gt = new("gt", "Tensor"), GtScalar = new("gt", "Scalar"), Ge = new("ge", "Tensor"), GeScalar = new("ge", "Scalar");
        private static readonly Op LogicalAnd = new("logical_and"), LogicalOr = new("logical_or");
        private static readonly Op Allclose = new("allclose");

        public Tensor eq(Tensor target) => Eq.Call(this, target);
        public Tensor eq(Scalar target) => EqScalar.Call(this, target);
        public Tensor ne(Tensor target) => Ne.Call(this, target);
        public Tensor ne(Scalar target) => NeScalar.Call(this, target);
        public Tensor lt(Tensor target) => Lt.Call(this, target);
        public Tensor lt(Scalar target) => LtScalar.Call(this, target);
        public Tensor le(Tensor target) => Le.Call(this, target);
        public Tensor le(Scalar target) => LeScalar.Call(this, target);
        public Tensor gt(Tensor target) => Gt.Call(this, target);
        public Tensor gt(Scalar target) => GtScalar.Call(this, target);
        public Tensor ge(Tensor target) => Ge.Call(this, target);
        public Tensor ge(Scalar target) => GeScalar.Call(this, target);
        public Tensor logical_and(Tensor other) => LogicalAnd.Call(this, other);
        public Tensor logical_or(Tensor other) => LogicalOr.Call(this, other);
        public bool allclose(Tensor target, double rtol = 1e-05, double atol = 1e-08, bool equal_nan = false) => Allclose.CallBool(this, target, rtol, atol, equal_nan);
    }

    public static Tensor eq(Tensor left, Tensor right) => left.eq(right);
    public static Tensor ne(Tensor left, Tensor right) => left.ne(right);
    public static Tensor lt(Tensor left, Tensor right) => left.lt(right);
    public static Tensor le(Tensor left, Tensor right) => left.le(right);
    public static Tensor gt(Tensor left, Tensor right) => left.gt(right);
    public static Tensor ge(Tensor left, Tensor right) => left.ge(right);
    public static Tensor logical_and(Tensor left, Tensor right) => left.logical_and(right);
    public static Tensor logical_or(Tensor left, Tensor right) => left.logical_or(right);
    public static bool allclose(Tensor tensor, Tensor target, double rtol = 1e-05, double atol = 1e-08, bool equal_nan = false) => tensor.allclose(target, rtol, atol, equal_nan);
}
