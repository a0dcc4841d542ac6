namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op Index = new("index", "Tensor"), IndexPutInPlace = new("index_put_"), SliceOp = new("slice", "Tensor");
        private static readonly Op Narrow = new("narrow"), Select = new("select", "int"), IndexSelect = new("index_select"), Gather = new("gather");
        private static readonly Op Scatter = new("scatter", "src"), ScatterAdd = new("scatter_add"), IndexAdd = new("index_add"), IndexCopy = new("index_copy");
        private static readonly Op ScatterInPlace = new("scatter_", "src"), ScatterAddInPlace = new("scatter_add_");
        private static readonly Op IndexAddInPlace = new("index_add_"), IndexCopyInPlace = new("index_copy_");
        private static readonly Op MaskedFill = new("masked_fill", "Scalar"), MaskedFillInPlace = new("masked_fill_", "Scalar"), MaskedSelect = new("masked_select");
        private static readonly Op Where = new("where", "self"), Nonzero = new("nonzero");

        public Tensor this[long i1] { get => index(At(i1)); set => index_put_(value, At(i1)); }
        public Tensor this[long i1, long i2] { get => index(At(i1), At(i2)); set => index_put_(value, At(i1), At(i2)); }
        public Tensor this[long i1, long i2, long i3] { get => index(At(i1), At(i2), At(i3)); set => index_put_(value, At(i1), At(i2), At(i3)); }
        public Tensor this[long i1, long i2, long i3, long i4] { get => index(At(i1), At(i2), At(i3), At(i4)); set => index_put_(value, At(i1), At(i2), At(i3), At(i4)); }
        public Tensor this[params TensorIndex[] indices] { get => index(indices); set => index_put_(value, indices); }
        public Tensor this[params Tensor[] indices] { get => index(indices); set => index_put_(value, indices); }

        private static TensorIndex At(long position) => TensorIndex.Single(position);

        public Tensor index(params Tensor[] indices) => Index.Call(this, indices);

        public Tensor index(params TensorIndex[] indices)
        {
            var (view, advanced) = Resolve(indices);
            if (advanced is null) return view;
            var picked = Index.Call(view, advanced);
            view.Dispose();
            return picked;
        }

        public Tensor index_put_(Tensor value, params Tensor[] indices) => IndexPutInPlace.CallInPlace(this, indices, value, false);
        public Tensor index_put_(Tensor value, Tensor[] indices, bool accumulate = false) => IndexPutInPlace.CallInPlace(this, indices, value, accumulate);
        public Tensor index_put_(Tensor value, params TensorIndex[] indices) => index_put_(value, indices, false);

        public Tensor index_put_(Tensor value, TensorIndex[] indices, bool accumulate = false)
        {
            var (view, advanced) = Resolve(indices);
            if (advanced is not null) IndexPutInPlace.CallInPlace(view, advanced, value, accumulate);
            else if (accumulate) view.add_(value);
            else view.copy_(value);
            view.Dispose();
            return this;
        }

        public Tensor index_put_(Scalar value, params TensorIndex[] indices)
        {
            using var one = full([], value, dtype, device);
            return index_put_(one, indices);
        }

        public Tensor slice(long dim, long start, long finish, long step) => SliceOp.Call(this, dim, start, finish, step);
        public Tensor narrow(long dim, long start, long length) => Narrow.Call(this, dim, start, length);
        public Tensor select(long dim, long index) => Select.Call(this, dim, index);
        public Tensor index_select(long dim, Tensor index) => IndexSelect.Call(this, dim, index);
        public Tensor gather(long dim, Tensor index) => Gather.Call(this, dim, index);
        public Tensor scatter(long dim, Tensor index, Tensor src) => Scatter.Call(this, dim, index, src);
        public Tensor scatter_(long dim, Tensor index, Tensor src) => ScatterInPlace.CallInPlace(this, dim, index, src);
        public Tensor scatter_add(long dim, Tensor index, Tensor src) => ScatterAdd.Call(this, dim, index, src);
        public Tensor scatter_add_(long dim, Tensor index, Tensor src) => ScatterAddInPlace.CallInPlace(this, dim, index, src);
        public Tensor index_add(long dim, Tensor index, Tensor source, Scalar alpha) => IndexAdd.Call(this, dim, index, source, alpha);
        public Tensor index_add_(long dim, Tensor index, Tensor source, Scalar alpha) => IndexAddInPlace.CallInPlace(this, dim, index, source, alpha);
        public Tensor index_copy(long dim, Tensor index, Tensor source) => IndexCopy.Call(this, dim, index, source);
        public Tensor index_copy_(long dim, Tensor index, Tensor source) => IndexCopyInPlace.CallInPlace(this, dim, index, source);
        public Tensor masked_fill(Tensor mask, Scalar value) => MaskedFill.Call(this, mask, value);
        public Tensor masked_fill_(Tensor mask, Scalar value) => MaskedFillInPlace.CallInPlace(this, mask, value);
        public Tensor masked_select(Tensor mask) => MaskedSelect.Call(this, mask);
        public Tensor where(Tensor condition, Tensor y) => Where.Call(condition, this, y);
        public Tensor nonzero() => Nonzero.Call(this);

        /// <summary>
        /// Applies what only makes a view (integers, slices, new and skipped dimensions), left to right; what picks by tensors is returned as the
        /// list for one advanced index, with holes for the dimensions between.
        /// </summary>
        private (Tensor view, Tensor[]? advanced) Resolve(TensorIndex[] indices)
        {
            var view = alias();
            var advanced = new List<(long dim, Tensor index)>();
            long dim = 0;
            var consumed = indices.Sum(index => index.Consumes);

            void Step(Tensor next)
            {
                view.Dispose();
                view = next;
            }

            foreach (var index in indices)
            {
                switch (index.Kind)
                {
                    case TensorIndexKind.Ellipsis:
                        dim += ndim - consumed;
                        break;
                    case TensorIndexKind.NewAxis:
                        Step(view.unsqueeze(dim++));
                        break;
                    case TensorIndexKind.Single:
                        Step(view.select(dim, index.Start!.Value));
                        break;
                    case TensorIndexKind.Slice:
                        Step(SliceOp.Call(view, dim++, index.Start, index.Stop, index.Stride ?? 1));
                        break;
                    case TensorIndexKind.Tensor:
                        advanced.Add((dim, index.Value!));
                        dim += index.Consumes;
                        break;
                }
            }
            if (advanced.Count == 0) return (view, null);

            // A mask stands for as many dimensions as it has; ATen expands it by itself, so it takes one entry of the list.
            var list = new List<Tensor>();
            long covered = 0;
            foreach (var (at, index) in advanced)
            {
                for (; covered < at; covered++) list.Add(null!);
                list.Add(index);
                covered += index.dtype == ScalarType.Bool ? index.ndim : 1;
            }
            return (view, [.. list]);
        }
    }

    public static Tensor where(Tensor condition, Tensor x, Tensor y) => x.where(condition, y);
    public static Tensor gather(Tensor input, long dim, Tensor index) => input.gather(dim, index);
    public static Tensor index_select(Tensor input, long dim, Tensor index) => input.index_select(dim, index);
    public static Tensor masked_select(Tensor input, Tensor mask) => input.masked_select(mask);
    public static Tensor nonzero(Tensor input) => input.nonzero();
    public static Tensor select(Tensor input, long dim, long index) => input.select(dim, index);
    public static Tensor narrow(Tensor input, long dim, long start, long length) => input.narrow(dim, start, length);
}
