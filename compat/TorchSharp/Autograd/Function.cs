namespace TorchSharp;

public static partial class torch
{
    public static unsafe partial class autograd
    {
        /// <summary>
        /// An operation with its own derivative. forward runs without gradients; backward runs in the caller's gradient mode, so that what it does with
        /// torch operations can be differentiated again. backward gives one gradient for each argument of forward, null where it is no tensor.
        /// </summary>
        public abstract class Function<T> where T : Function<T>, new()
        {
            private static readonly T Instance = new();

            public abstract string Name { get; }

            internal abstract List<Tensor> ForwardAll(AutogradContext ctx, object[] vars);

            internal abstract List<Tensor> BackwardAll(AutogradContext ctx, List<Tensor> grad_outputs);

            public static List<Tensor> apply_internal(params object[] vars)
            {
                var context = new AutogradContext(Instance.BackwardAll);
                List<Tensor> outputs;
                using (no_grad()) outputs = Instance.ForwardAll(context, vars);

                var recorded = is_grad_enabled() && vars.Any(argument => argument is Tensor { requires_grad: true });
                return recorded ? context.Record(Instance.Name, vars, outputs) : outputs;
            }
        }

        /// <summary>A <see cref="Function{T}"/> with one result.</summary>
        public abstract class SingleTensorFunction<T> : Function<T> where T : SingleTensorFunction<T>, new()
        {
            public static Tensor apply(params object[] vars) => apply_internal(vars)[0];

            public abstract Tensor forward(AutogradContext ctx, params object[] vars);

            public abstract List<Tensor> backward(AutogradContext ctx, Tensor grad_output);

            internal sealed override List<Tensor> ForwardAll(AutogradContext ctx, object[] vars) => [forward(ctx, vars)];

            internal sealed override List<Tensor> BackwardAll(AutogradContext ctx, List<Tensor> grad_outputs) => backward(ctx, grad_outputs[0]);
        }

        /// <summary>A <see cref="Function{T}"/> with several results.</summary>
        public abstract class MultiTensorFunction<T> : Function<T> where T : MultiTensorFunction<T>, new()
        {
            public static List<Tensor> apply(params object[] vars) => apply_internal(vars);

            public abstract List<Tensor> forward(AutogradContext ctx, params object[] vars);

            public abstract List<Tensor> backward(AutogradContext ctx, List<Tensor> grad_outputs);

            internal sealed override List<Tensor> ForwardAll(AutogradContext ctx, object[] vars) => forward(ctx, vars);

            internal sealed override List<Tensor> BackwardAll(AutogradContext ctx, List<Tensor> grad_outputs) => backward(ctx, grad_outputs);
        }
    }
}
