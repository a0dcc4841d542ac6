using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>Opens a dispose scope on this thread.</summary>
    public static DisposeScope NewDisposeScope() => DisposeScopeManager.ThreadSingleton.Open();

    /// <summary>Computes in a scope of its own; only the result survives.</summary>
    public static Tensor WrappedTensorDisposeScope(Func<Tensor> expr)
    {
        using var scope = NewDisposeScope();
        return expr().MoveToOuterDisposeScope();
    }

    public static IDisposable no_grad() => new GradMode(false);

    public static IDisposable enable_grad(bool enabled = true) => new GradMode(enabled);

    public static IDisposable set_grad_enabled(bool mode = true) => new GradMode(mode);

    public static IDisposable inference_mode(bool mode = true) => new InferenceMode(mode);

    public static bool is_grad_enabled() => Native.cv_grad_mode() != 0;

    public static bool is_inference_mode_enabled() => Native.cv_inference_mode() != 0;

    /// <summary>Sets the thread's gradient mode until disposed.</summary>
    private sealed class GradMode : IDisposable
    {
        private readonly int previous = Native.cv_grad_mode();

        internal GradMode(bool enabled) => Native.cv_set_grad_mode(enabled ? 1 : 0);

        public void Dispose() => Native.cv_set_grad_mode(previous);
    }

    private sealed class InferenceMode(bool enabled) : IDisposable
    {
        private IntPtr guard = Native.cv_inference_enter(enabled ? 1 : 0);

        public void Dispose()
        {
            var left = Interlocked.Exchange(ref guard, 0);
            if (left != 0) Native.cv_inference_exit(left);
        }
    }
}
