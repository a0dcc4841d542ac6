namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op Sum = new("sum"), SumDim = new("sum", "dim_IntList"), Mean = new("mean"), MeanDim = new("mean", "dim");
        private static readonly Op Prod = new("prod"), ProdDim = new("prod", "dim_int"), Cumsum = new("cumsum");
        private static readonly Op Var = new("var"), VarDim = new("var", "dim"), Std = new("std"), StdDim = new("std", "dim");
        private static readonly Op Max = new("max"), MaxDim = new("max", "dim"), MaxOther = new("max", "other");
        private static readonly Op Min = new("min"), MinDim = new("min", "dim"), MinOther = new("min", "other");
        private static readonly Op Amax = new("amax"), Amin = new("amin"), Argmax = new("argmax"), Argmin = new("argmin");
        private static readonly Op All = new("all"), AllDim = new("all", "dim"), Any = new("any"), AnyDim = new("any", "dim");
        private static readonly Op Norm = new("norm", "Scalar"), NormDim = new("norm", "ScalarOpt_dim");
        private static readonly Op Logsumexp = new("logsumexp"), Softmax = new("softmax", "int"), LogSoftmax = new("log_softmax", "int");
        private static readonly Op Quantile = new("quantile");
        private static readonly Op Topk = new("topk"), Sort = new("sort", "stable"), Argsort = new("argsort");
        private static readonly Op Histc = new("histc"), Bincount = new("bincount"), Unique = new("_unique2"), UniqueDim = new("unique_dim");

        public Tensor sum(ScalarType? type = null) => Sum.Call(this, type);
        public Tensor sum(long[] dim, bool keepdim = false, ScalarType? type = null) => SumDim.Call(this, dim, keepdim, type);
        public Tensor sum(ReadOnlySpan<long> dim, bool keepdim = false, ScalarType? type = null) => SumDim.Call(this, dim, keepdim, type);
        public Tensor sum(long dim, bool keepdim = false, ScalarType? type = null) => SumDim.Call(this, dim, keepdim, type);
        public Tensor mean() => Mean.Call(this);
        public Tensor mean(long[] dimensions, bool keepdim = false, ScalarType? type = null) => MeanDim.Call(this, dimensions, keepdim, type);
        public Tensor prod(ScalarType? type = null) => Prod.Call(this, type);
        public Tensor prod(long dim, bool keepdim = false, ScalarType? type = null) => ProdDim.Call(this, dim, keepdim, type);
        public Tensor cumsum(long dim, ScalarType? type = null) => Cumsum.Call(this, dim, type);
        public Tensor var(bool unbiased = true) => Var.Call(this, unbiased);
        public Tensor var(long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => Typed(type).Apply(VarDim, dimensions, unbiased, keepdim);
        public Tensor var(long dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => var([dim], unbiased, keepdim, type);
        public Tensor std(bool unbiased = true) => Std.Call(this, unbiased);
        public Tensor std(long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => Typed(type).Apply(StdDim, dimensions, unbiased, keepdim);
        public Tensor std(long dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => std([dim], unbiased, keepdim, type);

        public Tensor max() => Max.Call(this);
        public Tensor max(Tensor other) => MaxOther.Call(this, other);
        public (Tensor values, Tensor indexes) max(long dim, bool keepdim = false) => Pair(MaxDim.CallMany(this, dim, keepdim));
        public Tensor min() => Min.Call(this);
        public Tensor min(Tensor other) => MinOther.Call(this, other);
        public (Tensor values, Tensor indexes) min(long dim, bool keepdim = false) => Pair(MinDim.CallMany(this, dim, keepdim));
        public Tensor amax(params long[] dims) => Amax.Call(this, dims);
        public Tensor amax(long[] dims, bool keepdim = false, Tensor? @out = null) => Into(Amax.Call(this, dims, keepdim), @out);
        public Tensor amin(params long[] dims) => Amin.Call(this, dims);
        public Tensor amin(long[] dims, bool keepdim = false, Tensor? @out = null) => Into(Amin.Call(this, dims, keepdim), @out);
        public Tensor argmax() => Argmax.Call(this);
        public Tensor argmax(long dim, bool keepdim = false) => Argmax.Call(this, dim, keepdim);
        public Tensor argmin() => Argmin.Call(this);
        public Tensor argmin(long dim, bool keepdim = false) => Argmin.Call(this, dim, keepdim);
        public Tensor all() => All.Call(this);
        public Tensor all(long dim, bool keepdim = false) => AllDim.Call(this, dim, keepdim);
        public Tensor any() => Any.Call(this);
        public Tensor any(long dim, bool keepdim = false) => AnyDim.Call(this, dim, keepdim);

        public Tensor norm(float p = 2f) => Norm.Call(this, p);
        public Tensor norm(int dim, bool keepdim = false, float p = 2f) => NormDim.Call(this, p, (long)dim, keepdim);
        public Tensor logsumexp(long dim, bool keepdim = false) => Logsumexp.Call(this, dim, keepdim);
        public Tensor softmax(long dim, ScalarType? dtype = null) => Softmax.Call(this, dim, dtype);
        public Tensor log_softmax(long dim, ScalarType? dtype = null) => LogSoftmax.Call(this, dim, dtype);
        public Tensor quantile(Tensor q, long dim = -1, bool keepdim = false) => Quantile.Call(this, q, dim, keepdim);
        public (Tensor values, Tensor indexes) topk(int k, int dim = -1, bool largest = true, bool sorted = true) => Pair(Topk.CallMany(this, k, dim, largest, sorted));
        public (Tensor Values, Tensor Indices) sort(long dim = -1, bool descending = false, bool stable = false) => Pair(Sort.CallMany(this, stable, dim, descending));
        public Tensor argsort(long dim = -1, bool descending = false) => Argsort.Call(this, dim, descending);
        public Tensor histc(long bins = 100, long min = 0, long max = 0) => Histc.Call(this, bins, min, max);
        public Tensor bincount(Tensor? weights, long minlength = 0) => Bincount.Call(this, weights, minlength);

        public (Tensor output, Tensor? inverse_indices, Tensor? counts) unique(bool sorted = true, bool return_inverse = false, bool return_counts = false, int? dim = null)
        {
            var all = dim is int along ? UniqueDim.CallMany(this, along, sorted, return_inverse, return_counts) : Unique.CallMany(this, sorted, return_inverse, return_counts);
            if (!return_inverse) all[1].Dispose();
            if (!return_counts) all[2].Dispose();
            return (all[0], return_inverse ? all[1] : null, return_counts ? all[2] : null);
        }

        private static (Tensor, Tensor) Pair(Tensor[] both) => (both[0], both[1]);

        private Tensor Typed(ScalarType? type) => type is ScalarType wanted && wanted != dtype ? to(wanted) : this;

        private Tensor Apply(Op op, Val a, Val b, Val c) => op.Call(this, a, b, c);

        private static Tensor Into(Tensor result, Tensor? target)
        {
            if (target is null) return result;
            target.copy_(result);
            result.Dispose();
            return target;
        }
    }

    public static Tensor sum(Tensor input, ScalarType? type = null) => input.sum(type);
    public static Tensor sum(Tensor input, ReadOnlySpan<long> dim, bool keepdim = false, ScalarType? type = null) => input.sum(dim, keepdim, type);
    public static Tensor sum(Tensor input, long dim, bool keepdim = false, ScalarType? type = null) => input.sum(dim, keepdim, type);
    public static Tensor mean(Tensor input) => input.mean();
    public static Tensor mean(Tensor input, long[] dimensions, bool keepdim = false, ScalarType? type = null) => input.mean(dimensions, keepdim, type);
    public static Tensor max(Tensor input) => input.max();
    public static Tensor min(Tensor input) => input.min();
    public static Tensor amax(Tensor input, long[] dims) => input.amax(dims);
    public static Tensor argmax(Tensor input) => input.argmax();
    public static Tensor argmax(Tensor input, long dim, bool keepdim = false) => input.argmax(dim, keepdim);
    public static Tensor all(Tensor input) => input.all();
    public static Tensor any(Tensor input) => input.any();
    public static Tensor norm(Tensor input) => input.norm();
    public static Tensor norm(Tensor input, float p = 2f) => input.norm(p);
    public static Tensor cumsum(Tensor input, long dim, ScalarType? type = null) => input.cumsum(dim, type);
    public static Tensor logsumexp(Tensor input, long dim, bool keepdim = false) => input.logsumexp(dim, keepdim);
    public static Tensor prod(Tensor input, ScalarType? type = null) => input.prod(type);
    public static Tensor bincount(Tensor input, Tensor? weights = null, long minlength = 0) => input.bincount(weights, minlength);
}
