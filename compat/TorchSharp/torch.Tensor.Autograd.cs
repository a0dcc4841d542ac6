using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op Detach = new("detach"), DetachInPlace = new("detach_");

        public bool requires_grad
        {
            get => Native.cv_tensor_requires_grad(Handle) != 0;
            set => Native.Check(Native.cv_set_requires_grad(Handle, value ? 1 : 0));
        }

        /// <summary>The accumulated gradient: a new handle at each reading, null where there is none. Null may be assigned.</summary>
        public Tensor? grad
        {
            get
            {
                Native.Check(Native.cv_tensor_grad(Handle, out var gradient));
                return gradient == 0 ? null : new Tensor(gradient);
            }
            set
            {
                Native.Check(Native.cv_set_tensor_grad(Handle, value?.Handle ?? 0));
                GC.KeepAlive(value);
            }
        }

        public Tensor requires_grad_(bool requires_grad = true)
        {
            this.requires_grad = requires_grad;
            return this;
        }

        /// <summary>A second handle to this tensor, after setting the flag.</summary>
        public Tensor with_requires_grad(bool requires_grad = true)
        {
            this.requires_grad = requires_grad;
            return new(Native.cv_tensor_retain(Handle));
        }

        public Tensor detach() => Detach.Call(this);

        public Tensor detach_() => DetachInPlace.CallInPlace(this);

        public void retain_grad() => Native.Check(Native.cv_retain_grad(Handle));

        public void backward() => autograd.Run([this], null, 0, false, null);

        public void backward(IList<Tensor>? grad_tensors = null, bool retain_graph = false, bool create_graph = false, IList<Tensor>? inputs = null) =>
            autograd.Run([this], grad_tensors, retain_graph ? 1 : 0, create_graph, inputs);
    }
}
