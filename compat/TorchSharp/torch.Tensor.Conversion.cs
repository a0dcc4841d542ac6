using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        // aten::to.dtype_layout is the one overload that takes any mixture of type and device.
        private static readonly Op ToAny = new("to", "dtype_layout"), PinMemory = new("pin_memory");

        public Tensor to(ScalarType type, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            Converted(type, null, copy, disposeAfter, non_blocking);

        public Tensor to(Device device, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            Converted(null, device, copy, disposeAfter, non_blocking);

        public Tensor to(ScalarType type, Device device, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            Converted(type, device, copy, disposeAfter, non_blocking);

        public Tensor cpu() => to(CPU);

        /// <summary>A copy in page-locked memory, from which a GPU reads by itself; the tensor where it lies there.</summary>
        public Tensor pin_memory() => PinMemory.Call(this, Val.None);

        public Scalar ToScalar()
        {
            Native.Check(Native.cv_tensor_item(Handle, out var integer, out var real, out var isInteger));
            GC.KeepAlive(this);
            return isInteger == 0 ? real : dtype == ScalarType.Bool ? integer != 0 : integer;
        }

        /// <summary>The only element; T must be the element type.</summary>
        public T item<T>() where T : unmanaged
        {
            if (numel() != 1) throw new ArgumentException("The number of elements in the tensor must be 1");
            Demand<T>();
            Span<T> one = stackalloc T[1];
            Read(one);
            return one[0];
        }

        /// <summary>The elements of a CPU tensor, in place; T must be the element type.</summary>
        public Utils.TensorAccessor<T> data<T>() where T : unmanaged
        {
            Demand<T>();
            if (!is_cpu()) throw new InvalidOperationException("Reading data from non-CPU memory is not supported. Move or copy the tensor to the cpu before reading.");
            return new(this);
        }

        private void Demand<T>()
        {
            if (TypeOf(typeof(T)) != dtype) throw new ArgumentException($"{typeof(T).Name} is not the type of the elements, {dtype}.");
        }

        // Without a change of type or device this is a second handle, as in PyTorch the tensor itself.
        private Tensor Converted(ScalarType? type, Device? device, bool copy, bool disposeAfter, bool nonBlocking)
        {
            var result = ToAny.Call(this, type, Val.None, device, Val.None, nonBlocking, copy, Val.None);
            if (disposeAfter) Dispose();
            return result;
        }
    }
}
