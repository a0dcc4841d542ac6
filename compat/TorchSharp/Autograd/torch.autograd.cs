using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>Reverse-mode differentiation.</summary>
    public static unsafe partial class autograd
    {
        // Set by a managed callback that failed during a native call of this thread, so that the error it becomes keeps its cause.
        [ThreadStatic] internal static Exception? CallbackException;

        internal static Exception? TakeCallbackException()
        {
            var cause = CallbackException;
            CallbackException = null;
            return cause;
        }

        /// <summary>
        /// Gradients of the outputs' sum (weighted by grad_outputs) with respect to the inputs. retain_graph is taken as it is given: it does not follow
        /// create_graph. With allow_unused the gradient of an unused input is a tensor that <see cref="Tensor.IsInvalid"/>.
        /// </summary>
        public static IList<Tensor> grad(IList<Tensor> outputs, IList<Tensor> inputs, IList<Tensor>? grad_outputs = null, bool retain_graph = false, bool create_graph = false, bool allow_unused = false)
        {
            var results = stackalloc IntPtr[inputs.Count];
            var (ys, xs, vs) = (Results.Handles(outputs), Results.Handles(inputs), Results.Handles(grad_outputs));
            var code = Native.cv_grad(ys, ys.Length, xs, xs.Length, vs, vs.Length, retain_graph ? 1 : 0, create_graph ? 1 : 0, allow_unused ? 1 : 0, results);
            GC.KeepAlive(outputs);
            GC.KeepAlive(inputs);
            GC.KeepAlive(grad_outputs);
            Native.Check(code);
            return Results.Wrap(results, inputs.Count);
        }

        /// <summary>Accumulates gradients in the leaves, or in the given inputs only. Here retain_graph follows create_graph unless given.</summary>
        public static void backward(IList<Tensor> tensors, IList<Tensor>? grad_tensors = null, bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null) =>
            Run(tensors, grad_tensors, retain_graph is bool given ? (given ? 1 : 0) : -1, create_graph, inputs);

        public static void backward(Tensor tensor, IList<Tensor>? grad_tensors = null, bool? retain_graph = null, bool create_graph = false, IList<Tensor>? inputs = null) =>
            backward([tensor], grad_tensors, retain_graph, create_graph, inputs);

        internal static void Run(IList<Tensor> tensors, IList<Tensor>? gradTensors, int retain, bool create, IList<Tensor>? inputs)
        {
            var (ys, vs, xs) = (Results.Handles(tensors), Results.Handles(gradTensors), Results.Handles(inputs));
            var code = Native.cv_backward(ys, ys.Length, vs, vs.Length, retain, create ? 1 : 0, xs, xs.Length);
            GC.KeepAlive(tensors);
            GC.KeepAlive(gradTensors);
            GC.KeepAlive(inputs);
            Native.Check(code);
        }
    }
}
