namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op Index = new("index", "Tensor"), IndexPutInPlace = new("index_put_"), SliceOp = new("slice", "Tensor");
        private static readonly Op Narrow = new("narrow"), Select = new("select", "int"), IndexSelect = new("index_select"), Gather = new("gather");
        private static readonly Op IndexAddInPlace = new("index_add_"), ScatterAddInPlace = new("scatter_add_");
        private static readonly Op MaskedFill = new("masked_fill", "Scalar"), MaskedSelect = new("masked_select");
        private static readonly Op Where = new("where", "self"), Nonzero = new("nonzero");

        public Tensor this[long i1] { get => index(At(i1)); set => index_put_(value, At(i1)); }
        public Tensor this[long i1, long i2] { get => index(At(i1), At(i2)); set => index_put_(value, At(i1), At(i2)); }
        public Tensor this[long i1, long i2, long i3] { get => index(At(i1), At(i2), At(i3)); set => index_put_(value, At(i1), At(i2), At(i3)); }
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

        public Tensor narrow(long dim, long start, long length) => Narrow.Call(this, dim, start, length);
        public Tensor select(long dim, long index) => Select.Call(this, dim, index);
        public Tensor index_select(long dim, Tensor index) => IndexSelect.Call(this, dim, index);
        public Tensor gather(long dim, Tensor index) => Gather.Call(this, dim, index);
        public Tensor index_add_(long dim, Tensor index, Tensor source, Scalar alpha) => IndexAddInPlace.CallInPlace(this, dim, index, source, alpha);
        public Tensor scatter_add_(long dim, Tensor index, Tensor src) => ScatterAddInPlace.CallInPlace(this, dim, index, src);
        public Tensor masked_fill(Tensor mask, Scalar value) => MaskedFill.Call(this, mask, value);
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
}
