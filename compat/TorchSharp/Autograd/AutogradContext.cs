using System.Runtime.InteropServices;
using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    public static unsafe partial class autograd
    {
        /// <summary>
        /// What one application of a <see cref="Function{T}"/> keeps from its forward for its backward. The graph node owns it. Tensors go through
        /// <see cref="save_for_backward"/>, so that libtorch can free them with the graph and notice changes in place.
        /// </summary>
        public class AutogradContext
        {
            private readonly Dictionary<string, object> data = [];
            private List<Tensor> toSave = [];
            private IntPtr node;

            internal AutogradContext(Func<AutogradContext, List<Tensor>, List<Tensor>> derivative) => Derivative = derivative;

            private Func<AutogradContext, List<Tensor>, List<Tensor>> Derivative { get; }

            public void save_for_backward(List<Tensor> tensors) => toSave = tensors;

            /// <summary>In backward: the saved tensors, as new handles, connected to the graph they came from.</summary>
            public List<Tensor> get_saved_variables()
            {
                var results = stackalloc IntPtr[toSave.Count];
                Native.Check(Native.cv_node_saved(node, results));
                return [.. Results.Wrap(results, toSave.Count)];
            }

            public void save_data(string key, object value) => data[key] = value;

            public object get_data(string key) => data[key];

            /// <summary>Makes the outputs of forward results of a new graph node, whose inputs are the tensors among the arguments.</summary>
            internal List<Tensor> Record(string name, object[] vars, List<Tensor> outputs)
            {
                var inputs = Results.Handles(vars.Select(argument => argument as Tensor));
                // Freed by the node, when the graph goes.
                var self = GCHandle.ToIntPtr(GCHandle.Alloc(this));
                Native.Check(Native.cv_node_new(name, self, &Backward, &Release, inputs, inputs.Length, out var held, out node));
                try
                {
                    var raw = Results.Handles(outputs);
                    var handles = stackalloc IntPtr[raw.Length];
                    Native.Check(Native.cv_node_attach(held, raw, raw.Length, handles));
                    var results = Results.Wrap(handles, raw.Length);

                    // A saved output is saved as the result it became: the raw one has no history.
                    var saved = toSave.Select(tensor => outputs.FindIndex(output => ReferenceEquals(output, tensor)) is >= 0 and var at ? results[at] : tensor).ToList();
                    Native.Check(Native.cv_node_save(held, Results.Handles(saved), saved.Count));
                    // Only their number is needed from here on: holding the handles would keep the graph's memory.
                    toSave = [.. Enumerable.Repeat<Tensor>(null!, saved.Count)];
                    GC.KeepAlive(vars);
                    GC.KeepAlive(saved);
                    return [.. results];
                }
                finally
                {
                    Native.cv_node_drop(held);
                }
            }

            // An exception must not unwind into C++: it is kept, reported, and thrown again by the call that ran the backward pass.
            [UnmanagedCallersOnly]
            private static int Backward(IntPtr self, IntPtr* grads, int gradCount, IntPtr* results, int resultCount)
            {
                try
                {
                    var context = (AutogradContext)GCHandle.FromIntPtr(self).Target!;
                    var incoming = new List<Tensor>(gradCount);
                    for (var i = 0; i < gradCount; i++) incoming.Add(new(Native.cv_tensor_retain(grads[i])));

                    var outgoing = context.Derivative(context, incoming);
                    if (outgoing.Count != resultCount)
                    {
                        throw new InvalidOperationException($"backward returned {outgoing.Count} gradients for {resultCount} arguments of forward (null for those that are no tensors).");
                    }
                    for (var i = 0; i < resultCount; i++)
                    {
                        results[i] = outgoing[i] is null || outgoing[i].IsInvalid ? 0 : Native.cv_tensor_retain(outgoing[i].Handle);
                    }
                    return 0;
                }
                catch (Exception error)
                {
                    CallbackException = error;
                    Native.cv_report_error(error.Message);
                    return 1;
                }
            }

            [UnmanagedCallersOnly]
            private static void Release(IntPtr self) => GCHandle.FromIntPtr(self).Free();
        }
    }
}
