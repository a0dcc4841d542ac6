namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op Eq = new("eq", "Tensor"), Ne = new("ne", "Tensor"), NeScalar = new("ne", "Scalar");
        private static readonly Op LtScalar = new("lt", "Scalar"), Lt = new("lt", "Tensor"), Le = new("le", "Tensor");
        private static readonly Op GtScalar = new("gt", "Scalar");
        private static readonly Op Allclose = new("allclose");

        public Tensor eq(Tensor target) => Eq.Call(this, target);
        public Tensor ne(Tensor target) => Ne.Call(this, target);
        public Tensor ne(Scalar target) => NeScalar.Call(this, target);
        public Tensor le(Tensor target) => Le.Call(this, target);
        public Tensor lt(Tensor target) => Lt.Call(this, target);
        public Tensor lt(Scalar target) => LtScalar.Call(this, target);
        public Tensor gt(Scalar target) => GtScalar.Call(this, target);
        public bool allclose(Tensor target, double rtol = 1e-05, double atol = 1e-08, bool equal_nan = false) => Allclose.CallBool(this, target, rtol, atol, equal_nan);
    }
}
