namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op Sum = new("sum"), SumDim = new("sum", "dim_IntList"), Mean = new("mean"), MeanDim = new("mean", "dim");
        private static readonly Op Cumsum = new("cumsum");
        private static readonly Op Var = new("var");
        private static readonly Op Max = new("max"), MaxDim = new("max", "dim");
        private static readonly Op Min = new("min");
        private static readonly Op Argmax = new("argmax");
        private static readonly Op All = new("all"), Any = new("any"), AnyDim = new("any", "dim");
        private static readonly Op Norm = new("norm", "Scalar"), NormDim = new("norm", "ScalarOpt_dim");
        private static readonly Op Logsumexp = new("logsumexp"), Softmax = new("softmax", "int"), LogSoftmax = new("log_softmax", "int");
        private static readonly Op Bincount = new("bincount"), Unique = new("_unique2"), UniqueDim = new("unique_dim");

        public Tensor sum(ScalarType? type = null) => Sum.Call(this, type);
        public Tensor sum(long dim, bool keepdim = false, ScalarType? type = null) => SumDim.Call(this, dim, keepdim, type);
        public Tensor mean() => Mean.Call(this);
        public Tensor mean(long[] dimensions, bool keepdim = false, ScalarType? type = null) => MeanDim.Call(this, dimensions, keepdim, type);
        public Tensor cumsum(long dim, ScalarType? type = null) => Cumsum.Call(this, dim, type);
        public Tensor var(bool unbiased = true) => Var.Call(this, unbiased);

        public Tensor max() => Max.Call(this);
        public (Tensor values, Tensor indexes) max(long dim, bool keepdim = false) => Pair(MaxDim.CallMany(this, dim, keepdim));
        public Tensor min() => Min.Call(this);
        public Tensor argmax(long dim, bool keepdim = false) => Argmax.Call(this, dim, keepdim);
        public Tensor all() => All.Call(this);
        public Tensor any() => Any.Call(this);
        public Tensor any(long dim, bool keepdim = false) => AnyDim.Call(this, dim, keepdim);

        public Tensor norm(float p = 2f) => Norm.Call(this, p);
        public Tensor norm(int dim, bool keepdim = false, float p = 2f) => NormDim.Call(this, p, (long)dim, keepdim);
        public Tensor logsumexp(long dim, bool keepdim = false) => Logsumexp.Call(this, dim, keepdim);
        public Tensor softmax(long dim, ScalarType? dtype = null) => Softmax.Call(this, dim, dtype);
        public Tensor log_softmax(long dim, ScalarType? dtype = null) => LogSoftmax.Call(this, dim, dtype);
        public Tensor bincount(Tensor? weights, long minlength = 0) => Bincount.Call(this, weights, minlength);

        public (Tensor output, Tensor? inverse_indices, Tensor? counts) unique(bool sorted = true, bool return_inverse = false, bool return_counts = false, int? dim = null)
        {
            var all = dim is int along ? UniqueDim.CallMany(this, along, sorted, return_inverse, return_counts) : Unique.CallMany(this, sorted, return_inverse, return_counts);
            if (!return_inverse) all[1].Dispose();
            if (!return_counts) all[2].Dispose();
            return (all[0], return_inverse ? all[1] : null, return_counts ? all[2] : null);
        }

        private static (Tensor, Tensor) Pair(Tensor[] both) => (both[0], both[1]);
    }
}
