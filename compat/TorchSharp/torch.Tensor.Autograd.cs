using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private static readonly Op Detach = new("detach");

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

        public Tensor detach() => Detach.Call(this);

        public void retain_grad() => Native.Check(Native.cv_retain_grad(Handle));

        public void backward() => autograd.Run([this], null, 0, false, null);
    }
}
