using TorchSharp.Interop;
using TorchSharp.Modules;

namespace TorchSharp;

public static partial class torch
{
    public static partial class jit
    {
        /// <summary>
        /// A TorchScript module. Its parameters and buffers are listed by their dotted names, tied ones as one object. Methods run operator by
        /// operator through eager autograd, so that they can be differentiated twice.
        /// </summary>
        public unsafe class ScriptModule : nn.Module
        {
            private const int MaxResults = 64;

            private IntPtr handle;
            private readonly List<(string name, Parameter parameter)> parameterList;
            private readonly List<(string name, Tensor buffer)> bufferList;

            internal ScriptModule(IntPtr handle) : base(nameof(ScriptModule))
            {
                this.handle = handle;
                (parameterList, bufferList) = ReadTensors();
            }

            ~ScriptModule() => Free();

            internal IntPtr Handle => handle != 0 ? handle : throw new ObjectDisposedException(nameof(ScriptModule));

            public override bool training
            {
                get
                {
                    Native.Check(Native.cv_jit_training(Handle, out var on));
                    return on != 0;
                }
            }

#pragma warning disable CA1725 // TorchSharp names this parameter differently from the base's.
            public override void train(bool on = true) => Native.Check(Native.cv_jit_train(Handle, on ? 1 : 0));
#pragma warning restore CA1725

            public override void eval() => train(false);

            public override IEnumerable<(string name, Parameter parameter)> named_parameters(bool recurse = true) =>
                Chosen(parameterList, recurse).DistinctBy(entry => entry.Item2, ReferenceEqualityComparer.Instance);

            public override IEnumerable<(string name, Tensor buffer)> named_buffers(bool recurse = true, bool include_nonpersistent = true) => Chosen(bufferList, recurse);

            public override IEnumerable<(string name, nn.Module module)> named_children() => Modules(JitPart.Children);

            public override IEnumerable<(string name, nn.Module module)> named_modules() => Modules(JitPart.Modules);

            public object forward(params object[] input) => invoke("forward", input);

            /// <summary>A tensor, a number, or an array of tensors where the method returns several (tuples are flattened).</summary>
            public object invoke(string name, params object[] objs)
            {
                var args = objs.Select(Val.Of).ToArray();
                var results = stackalloc NativeVal[MaxResults];
                int count;
                fixed (long* room = new long[Val.WordsOf(args) + 1])
                fixed (NativeVal* native = new NativeVal[args.Length + 1])
                {
                    Val.Write(args, native, room);
                    var code = Native.cv_jit_call(Handle, name, native, args.Length, results, MaxResults, out count);
                    Val.KeepAlive(args);
                    Native.Check(code);
                }
                return (count, results[0].Tag) switch
                {
                    (1, ValTag.Tensor) => new Tensor(results[0].Pointer),
                    (1, ValTag.Int) => results[0].Integer,
                    (1, ValTag.Float) => results[0].Real,
                    (1, ValTag.Bool) => results[0].Integer != 0,
                    _ => Results.TakeTensors(results, count),
                };
            }

            public TResult invoke<TResult>(string name, params object[] inputs) =>
                invoke(name, inputs) is TResult result ? result : throw new InvalidCastException($"The TorchScript method '{name}' does not return a {typeof(TResult).Name}.");

            internal void Save(string path) => Native.Check(Native.cv_jit_save(Handle, path));

            // The tensors keep their identity, and with it the handles that were given out; only their data is replaced.
            internal override void Move(ScalarType? dtype, Device? device, Dictionary<Tensor, Tensor> replaced) =>
                Native.Check(Native.cv_jit_to(Handle, (int?)dtype ?? -1, device?.Code ?? -1));

            protected override void Dispose(bool disposing)
            {
                foreach (var (_, parameter) in parameterList) parameter.Dispose();
                foreach (var (_, buffer) in bufferList) buffer.Dispose();
                Free();
                base.Dispose(disposing);
            }

            private void Free()
            {
                var released = Interlocked.Exchange(ref handle, 0);
                if (released != 0) Native.cv_jit_free(released);
            }

            private (List<(string, Parameter)>, List<(string, Tensor)>) ReadTensors()
            {
                // One object for each tensor, whatever number of names it has.
                var parameters = new Dictionary<IntPtr, Parameter>();
                Parameter Own(IntPtr tensor)
                {
                    if (parameters.TryGetValue(tensor, out var known))
                    {
                        Native.cv_tensor_release(tensor);
                        return known;
                    }
                    var made = new Parameter(new Tensor(tensor), Native.cv_tensor_requires_grad(tensor) != 0);
                    made.DetachFromDisposeScope();
                    return parameters[tensor] = made;
                }
                return (ReadPart(JitPart.Parameters, Own), ReadPart(JitPart.Buffers, buffer => new Tensor(buffer).DetachFromDisposeScope()));
            }

            private List<(string name, nn.Module module)> Modules(JitPart part) => ReadPart(part, child => (nn.Module)new ScriptModule(child));

            private List<(string, T)> ReadPart<T>(JitPart part, Func<IntPtr, T> wrap)
            {
                Native.Check(Native.cv_jit_list(Handle, part, out var text, out var handles, out var count));
                var names = Native.TakeText(text).Split('\n');
                var list = new List<(string, T)>(count);
                for (var i = 0; i < count; i++) list.Add((names[i], wrap(handles[i])));
                Native.cv_free((IntPtr)handles);
                return list;
            }

            private static IEnumerable<(string, T)> Chosen<T>(List<(string name, T)> all, bool recurse) =>
                recurse ? all : all.Where(entry => !entry.name.Contains('.', StringComparison.Ordinal));
        }

        /// <summary>A TorchScript module whose forward takes one argument.</summary>
        public class ScriptModule<T, TResult> : ScriptModule, nn.IModule<T, TResult>
        {
            internal ScriptModule(IntPtr handle) : base(handle)
            {
            }

            public TResult forward(T tensor) => invoke<TResult>("forward", [tensor!]);

            public TResult call(T input) => forward(input);
        }
    }
}
