namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op Reshape = new("reshape"), View = new("view"), Flatten = new("flatten", "using_ints");
        private static readonly Op Transpose = new("transpose", "int"), MatrixTranspose = new("t"), Permute = new("permute");
        private static readonly Op Squeeze = new("squeeze"), SqueezeDim = new("squeeze", "dim"), Unsqueeze = new("unsqueeze");
        private static readonly Op Expand = new("expand"), Repeat = new("repeat"), RepeatInterleave = new("repeat_interleave", "self_int");
        private static readonly Op Unfold = new("unfold"), Contiguous = new("contiguous"), Clone = new("clone"), Alias = new("alias");
        private static readonly Op Split = new("split", "Tensor"), SplitSizes = new("split_with_sizes"), Chunk = new("chunk"), Unbind = new("unbind", "int");
        private static readonly Op Diag = new("diag"), Diagonal = new("diagonal"), DiagEmbed = new("diag_embed");
        private static readonly Op Tril = new("tril"), Triu = new("triu"), Flip = new("flip"), Roll = new("roll");

        public Tensor reshape(params long[] shape) => Reshape.Call(this, shape);
        public Tensor view(params long[] shape) => View.Call(this, shape);
        public Tensor view_as(Tensor other) => View.Call(this, other.shape);
        public Tensor flatten(long start_dim = 0, long end_dim = -1) => Flatten.Call(this, start_dim, end_dim);
        public Tensor t() => MatrixTranspose.Call(this);
        public Tensor transpose(long dim0, long dim1) => Transpose.Call(this, dim0, dim1);
        public Tensor permute(params long[] permutation) => Permute.Call(this, permutation);
        public Tensor squeeze(long? dim = null) => dim is long one ? SqueezeDim.Call(this, one) : Squeeze.Call(this);
        public Tensor unsqueeze(long dim) => Unsqueeze.Call(this, dim);
        public Tensor expand(params long[] sizes) => Expand.Call(this, sizes);
        public Tensor expand(long[] sizes, bool isImplicit = false) => Expand.Call(this, sizes, isImplicit);
        public Tensor expand(ReadOnlySpan<long> sizes, bool isImplicit = false) => Expand.Call(this, sizes, isImplicit);
        public Tensor expand_as(Tensor other) => Expand.Call(this, other.shape);
        public Tensor broadcast_to(params long[] shape) => Expand.Call(this, shape);
        public Tensor repeat(params long[] sizes) => Repeat.Call(this, sizes);
        public Tensor repeat_interleave(long repeats, long? dim = null, long? output_size = null) => RepeatInterleave.Call(this, repeats, dim, output_size);
        public Tensor unfold(long dimension, long size, long step) => Unfold.Call(this, dimension, size, step);
        public Tensor contiguous() => Contiguous.Call(this);
        public Tensor clone() => Clone.Call(this);
        public Tensor alias() => Alias.Call(this);

        public Tensor[] split(long size, int dim = 0) => Split.CallMany(this, size, dim);
        public Tensor[] split(long[] sizes, long dim = 0) => SplitSizes.CallMany(this, sizes, dim);
        public Tensor[] split(ReadOnlySpan<long> sizes, long dim = 0) => SplitSizes.CallMany(this, sizes, dim);
        public Tensor[] chunk(long chunks, long dim = 0) => Chunk.CallMany(this, chunks, dim);
        public Tensor[] unbind(long dimension = 0) => Unbind.CallMany(this, dimension);

        public Tensor diag(long diagonal = 0) => Diag.Call(this, diagonal);
        public Tensor diagonal(long offset = 0, long dim1 = 0, long dim2 = 1) => Diagonal.Call(this, offset, dim1, dim2);
        public Tensor diag_embed(long offset = 0, long dim1 = -2, long dim2 = -1) => DiagEmbed.Call(this, offset, dim1, dim2);
        public Tensor tril(long diagonal = 0) => Tril.Call(this, diagonal);
        public Tensor triu(long diagonal = 0) => Triu.Call(this, diagonal);
        public Tensor flip(params long[] dims) => Flip.Call(this, dims);
        public Tensor roll(long shifts, long? dims = null) => Roll.Call(this, shifts, dims is long one ? new[] { one } : []);
    }

    private static readonly Op Cat = new("cat"), Stack = new("stack"), BlockDiag = new("block_diag");

    public static Tensor cat(IList<Tensor> tensors, long dim = 0) => Cat.Call(tensors.ToArray(), dim);
    public static Tensor stack(IEnumerable<Tensor> tensors, long dim = 0) => Stack.Call(tensors.ToArray(), dim);
    public static Tensor block_diag(params Tensor[] tensors) => BlockDiag.Call([tensors]);
    public static Tensor reshape(Tensor input, params long[] shape) => input.reshape(shape);
    public static Tensor flatten(Tensor input, long start_dim = 0, long end_dim = -1) => input.flatten(start_dim, end_dim);
    public static Tensor transpose(Tensor input, long dim0, long dim1) => input.transpose(dim0, dim1);
    public static Tensor permute(Tensor input, params long[] permutation) => input.permute(permutation);
    public static Tensor squeeze(Tensor input, long? dim = null) => input.squeeze(dim);
    public static Tensor unsqueeze(Tensor input, long dim) => input.unsqueeze(dim);
    public static Tensor broadcast_to(Tensor input, params long[] shape) => input.broadcast_to(shape);
    public static Tensor[] chunk(Tensor input, long chunks, long dim = 0) => input.chunk(chunks, dim);
    public static Tensor diag(Tensor input, long diagonal = 0) => input.diag(diagonal);
    public static Tensor diagonal(Tensor input, long offset = 0, long dim1 = 0, long dim2 = 1) => input.diagonal(offset, dim1, dim2);
    public static Tensor tril(Tensor input, long diagonal = 0) => input.tril(diagonal);
    public static Tensor triu(Tensor input, long diagonal = 0) => input.triu(diagonal);
    public static Tensor flip(Tensor input, params long[] dims) => input.flip(dims);
}
