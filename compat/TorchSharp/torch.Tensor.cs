using System.Runtime.CompilerServices;
using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>
    /// A handle to a libtorch tensor. Every handle made while a dispose scope is current belongs to that scope; others wait for Dispose or the
    /// finalizer. <see cref="Handle"/> is a TensorImpl pointer here (a heap at::Tensor in TorchSharp). Two handles can share one tensor.
    /// </summary>
    public partial class Tensor : IDisposable
    {
        private static long totalCount;

        private IntPtr handle;

        /// <summary>Takes over one reference; 0 is libtorch's undefined tensor, which shows as <see cref="IsInvalid"/>.</summary>
        internal Tensor(IntPtr handle)
        {
            this.handle = handle;
            Interlocked.Increment(ref totalCount);
            DisposeScopeManager.ThreadSingleton.Register(this);
        }

        /// <summary>Handles alive in this process (disposed and finalized ones are gone).</summary>
        public static long TotalCount => totalCount;

        internal DisposeScope? OwningDisposeScope { get; set; }

        public IntPtr Handle => handle != 0 ? handle : throw new InvalidOperationException("Tensor invalid -- empty handle.");

        public bool IsInvalid => handle == 0;

        public void Dispose()
        {
            if (OwningDisposeScope is { } scope) scope.MarkAsDisposed(this);
            else if (handle != 0) DisposeScopeManager.Statistics.TensorStatistics.DisposedOutsideScopeCount++;
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing)
        {
            var released = Interlocked.Exchange(ref handle, 0);
            if (released == 0) return;
            Interlocked.Decrement(ref totalCount);
            Native.cv_tensor_release(released);
        }

        ~Tensor() => Dispose(false);

        /// <summary>Gives up the handle, which the caller now owns.</summary>
        public IntPtr DecoupleFromNativeHandle()
        {
            GC.SuppressFinalize(this);
            OwningDisposeScope?.MarkAsDisposed(this);
            Interlocked.Decrement(ref totalCount);
            return Interlocked.Exchange(ref handle, 0);
        }

        public Tensor DetachFromDisposeScope()
        {
            OwningDisposeScope?.Detach(this);
            return this;
        }

        public Tensor MoveToOuterDisposeScope()
        {
            OwningDisposeScope?.MoveToOuter(this);
            return this;
        }

        private static readonly Op Equal = new("equal");

        public override bool Equals(object? obj) => obj is Tensor other && Equals(other);

        /// <summary>Same shape and equal elements.</summary>
        public bool Equals(Tensor target) => Equal.CallBool(this, target);

        public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);

        public override string ToString() => IsInvalid ? "Invalid" : this.metastr();
    }
}
