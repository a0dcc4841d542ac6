namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op Reshape = new("reshape"), View = new("view"), Flatten = new("flatten", "using_ints");
        private static readonly Op Transpose = new("transpose", "int"), MatrixTranspose = new("t"), Permute = new("permute");
        private static readonly Op Squeeze = new("squeeze"), SqueezeDim = new("squeeze", "dim"), Unsqueeze = new("unsqueeze");
        private static readonly Op Repeat = new("repeat"), Expand = new("expand"), AsStrided = new("as_strided");
        private static readonly Op Contiguous = new("contiguous"), Clone = new("clone"), Alias = new("alias");
        private static readonly Op Split = new("split", "Tensor"), SplitSizes = new("split_with_sizes"), Chunk = new("chunk"), Unbind = new("unbind", "int");
        private static readonly Op Diag = new("diag"), Diagonal = new("diagonal");
        private static readonly Op Tril = new("tril"), Triu = new("triu");

        public Tensor reshape(params long[] shape) => Reshape.Call(this, shape);
        public Tensor view(params long[] shape) => View.Call(this, shape);
        public Tensor flatten(long start_dim = 0, long end_dim = -1) => Flatten.Call(this, start_dim, end_dim);
        public Tensor t() => MatrixTranspose.Call(this);
        public Tensor transpose(long dim0, long dim1) => Transpose.Call(this, dim0, dim1);
        public Tensor permute(params long[] permutation) => Permute.Call(this, permutation);
        public Tensor squeeze(long? dim = null) => dim is long one ? SqueezeDim.Call(this, one) : Squeeze.Call(this);
        public Tensor unsqueeze(long dim) => Unsqueeze.Call(this, dim);
        public Tensor expand(params long[] sizes) => Expand.Call(this, sizes, false);
        public Tensor repeat(params long[] sizes) => Repeat.Call(this, sizes);
        public Tensor as_strided(long[] size, long[] strides, long storageOffset = 0) => AsStrided.Call(this, size, strides, storageOffset);
        public Tensor contiguous() => Contiguous.Call(this);
        public Tensor clone() => Clone.Call(this);
        public Tensor alias() => Alias.Call(this);

        public Tensor[] split(long size, int dim = 0) => Split.CallMany(this, size, dim);
        public Tensor[] split(long[] sizes, long dim = 0) => SplitSizes.CallMany(this, sizes, dim);
        public Tensor[] chunk(long chunks, long dim = 0) => Chunk.CallMany(this, chunks, dim);
        public Tensor[] unbind(long dimension = 0) => Unbind.CallMany(this, dimension);

        public Tensor diag(long diagonal = 0) => Diag.Call(this, diagonal);
        public Tensor diagonal(long offset = 0, long dim1 = 0, long dim2 = 1) => Diagonal.Call(this, offset, dim1, dim2);
        public Tensor tril(long diagonal = 0) => Tril.Call(this, diagonal);
        public Tensor triu(long diagonal = 0) => Triu.Call(this, diagonal);
    }

    private static readonly Op Cat = new("cat"), Stack = new("stack"), BlockDiag = new("block_diag");

    public static Tensor cat(IList<Tensor> tensors, long dim = 0) => tensors.Count == 1 ? tensors[0].alias() : Cat.Call(tensors.ToArray(), dim);
    public static Tensor stack(IEnumerable<Tensor> tensors, long dim = 0) => Stack.Call(tensors.ToArray(), dim);
    public static Tensor block_diag(params Tensor[] tensors) => BlockDiag.Call([tensors]);
}
