using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    public unsafe partial class Tensor
    {
        public long ndim => dim();

        public long ElementSize => dtype.ElementSize();

        public ScalarType dtype => (ScalarType)Native.cv_tensor_dtype(Handle);

        public Device device => Device.FromCode(Native.cv_tensor_device(Handle));

        public DeviceType device_type => device.type;

        public bool is_cpu() => device_type == DeviceType.CPU;

        public bool is_leaf => Ask(TensorFact.IsLeaf);

        public bool is_contiguous() => Ask(TensorFact.IsContiguous);

        public bool is_floating_point() => torch.is_floating_point(dtype);

        public long[] shape
        {
            get
            {
                var sizes = new long[Native.cv_tensor_dim(Handle)];
                fixed (long* first = sizes) Native.cv_tensor_sizes(handle, first);
                return sizes;
            }
        }

        public long dim() => Native.cv_tensor_dim(Handle);

        public long numel() => Native.cv_tensor_numel(Handle);

        public long[] stride() => Strides().strides;

        /// <summary>The memory of a contiguous CPU tensor; valid as long as the tensor is.</summary>
        public Span<byte> bytes
        {
            get
            {
                if (!is_cpu()) throw new InvalidOperationException("Reading data from non-CPU memory is not supported. Move or copy the tensor to the cpu before reading.");
                if (!is_contiguous()) throw new NotImplementedException("Bytes() called on non-contiguous tensor.");
                return new((void*)DataPointer(), checked((int)(numel() * ElementSize)));
            }
            set
            {
                if (value.Length != numel() * ElementSize) throw new ArgumentException($"The tensor has {numel() * ElementSize} bytes, the value {value.Length}.");
                value.CopyTo(bytes);
            }
        }


        internal IntPtr DataPointer()
        {
            Native.Check(Native.cv_tensor_data(Handle, out var data));
            return data;
        }

        private (long[] strides, long offset) Strides()
        {
            var strides = new long[dim()];
            fixed (long* first = strides)
            {
                Native.Check(Native.cv_tensor_strides(Handle, first, out var offset));
                return (strides, offset);
            }
        }

        private bool Ask(TensorFact fact)
        {
            Native.Check(Native.cv_tensor_fact(Handle, fact, out var answer));
            GC.KeepAlive(this);
            return answer != 0;
        }

        /// <summary>Row-major elements, from any device and strides, into <paramref name="target"/>.</summary>
        internal void Read<T>(Span<T> target) where T : unmanaged
        {
            fixed (T* first = target) Native.Check(Native.cv_tensor_read(Handle, first, (long)target.Length * sizeof(T)));
            GC.KeepAlive(this);
        }
    }
}
