using System.Reflection;
using System.Runtime.CompilerServices;
using TorchSharp.Modules;
using TorchSharp.Utils;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        /// <summary>A named tree of parameters, buffers and submodules; every enumeration is in order of registration.</summary>
        public partial class Module : IDisposable
        {
            private readonly OrderedDictionary<string, Module> _modules = [];
            private readonly OrderedDictionary<string, Parameter> _parameters = [];
            private readonly OrderedDictionary<string, (Tensor value, bool persistent)> _buffers = [];
            private readonly string _name;
            private bool _training = true;

            protected Module(string name) => _name = name;

            public virtual bool training => _training;

            public virtual string GetName() => _name;

            public virtual void train(bool train = true)
            {
                _training = train;
                foreach (Module child in children()) child.train(train);
            }

            public virtual void eval() => train(false);

            /// <summary>Registers what the fields hold, a derived type's first: modules, parameters, and tensors as buffers.</summary>
            protected virtual void RegisterComponents()
            {
                const BindingFlags instance = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;
                for (Type type = GetType(); type != typeof(Module); type = type.BaseType!)
                {
                    foreach (FieldInfo field in type.GetFields(instance))
                    {
                        string name = field.GetCustomAttribute<ComponentNameAttribute>()?.Name ?? field.Name;
                        switch (field.GetValue(this))
                        {
                            case Module module:
                                _modules.TryAdd(name, module);
                                module.OnRegistered();
                                break;
                            case Parameter parameter: _parameters.TryAdd(name, parameter); break;
                            case Tensor tensor: _buffers.TryAdd(name, (tensor, true)); break;
                        }
                    }
                }
            }

            public virtual void register_module(string name, Module submodule)
            {
                Add(_modules, name, submodule, "submodule");
                submodule.OnRegistered();
            }

            private protected virtual void OnRegistered()
            {
            }

            public virtual void register_parameter(string name, Parameter param) => Add(_parameters, name, param, "parameter");

            public virtual void register_buffer(string name, Tensor tensor, bool persistent = true) =>
                Add(_buffers, name, (tensor, persistent), "buffer");

            private void Add<T>(OrderedDictionary<string, T> components, string name, T component, string kind)
            {
                if (!components.TryAdd(name, component))
                {
                    throw new InvalidOperationException($"Module '{GetName()}' already has a {kind} named '{name}'.");
                }
            }

            public virtual IEnumerable<(string name, Module module)> named_children() =>
                _modules.Select(child => (child.Key, child.Value));

            public virtual IEnumerable<Module> children() => named_children().Select(child => child.module);

            /// <summary>All modules below this one, without this one: the children, then what is below each of them.</summary>
            public virtual IEnumerable<(string name, Module module)> named_modules() =>
                named_children().Concat(Below(true, m => m.named_modules()));

            public virtual IEnumerable<Module> modules() => named_modules().Select(m => m.module);

            public virtual IEnumerable<(string name, Parameter parameter)> named_parameters(bool recurse = true) =>
                Own(_parameters, p => p).Concat(Below(recurse, m => m.named_parameters())).DistinctBy(p => p.Item2, Same);

            public virtual IEnumerable<Parameter> parameters(bool recurse = true) => named_parameters(recurse).Select(p => p.parameter);

            public virtual IEnumerable<(string name, Tensor buffer)> named_buffers(
                bool recurse = true, bool include_nonpersistent = true) =>
                Own(_buffers.Where(b => include_nonpersistent || b.Value.persistent), b => b.value)
                    .Concat(Below(recurse, m => m.named_buffers(true, include_nonpersistent))).DistinctBy(b => b.Item2, Same);

            public virtual Parameter? get_parameter(string target) => named_parameters().FirstOrDefault(p => p.name == target).parameter;

            public virtual Tensor? get_buffer(string target) => named_buffers().FirstOrDefault(b => b.name == target).buffer;

            public virtual Module apply(Action<Module> fn)
            {
                foreach (Module child in children()) child.apply(fn);
                fn(this);
                return this;
            }

            public virtual void zero_grad(bool set_to_none = true)
            {
                foreach (Parameter parameter in parameters())
                {
                    using Tensor? grad = set_to_none ? null : parameter.grad;
                    if (grad is null) parameter.grad = null;
                    else grad.zero_().Dispose();
                }
            }

            public void Dispose()
            {
                Dispose(true);
                GC.SuppressFinalize(this);
            }

            /// <summary>Disposes the parameters, the buffers and the submodules.</summary>
            protected virtual void Dispose(bool disposing)
            {
                foreach (Parameter parameter in _parameters.Values) parameter.Dispose();
                foreach ((Tensor value, _) in _buffers.Values) value.Dispose();
                foreach (Module module in _modules.Values) module.Dispose();
            }

            /// <summary>The parameter that a built-in layer registered under the name of the calling property.</summary>
            private protected Parameter? Get([CallerMemberName] string name = "") => _parameters.GetValueOrDefault(name);

            /// <summary>Replaces that parameter and disposes the old one, as TorchSharp does.</summary>
            private protected void Set(Parameter? value, [CallerMemberName] string name = "")
            {
                Parameter? old = Get(name);
                if (value is null) _parameters.Remove(name);
                else _parameters[name] = value;
                if (!ReferenceEquals(old, value)) old?.Dispose();
            }

            private protected Tensor? Buffer([CallerMemberName] string name = "") => _buffers.GetValueOrDefault(name).value;

            private protected void SetBuffer(Tensor? value, [CallerMemberName] string name = "")
            {
                Tensor? old = Buffer(name);
                if (value is null) _buffers.Remove(name);
                else _buffers[name] = (value, true);
                if (!ReferenceEquals(old, value)) old?.Dispose();
            }

            /// <summary>A parameter that outlives the dispose scope in which the layer is made.</summary>
            private protected static Parameter Made(Tensor data, Action<Parameter> initialize)
            {
                var parameter = new Parameter(data);
                parameter.DetachFromDisposeScope();
                initialize(parameter);
                return parameter;
            }

            private static ReferenceEqualityComparer Same => ReferenceEqualityComparer.Instance;

            private static IEnumerable<(string, TValue)> Own<T, TValue>(
                IEnumerable<KeyValuePair<string, T>> components, Func<T, TValue> value) => components.Select(c => (c.Key, value(c.Value)));

            private IEnumerable<(string, T)> Below<T>(
                bool recurse, Func<Module, IEnumerable<(string name, T value)>> components) => !recurse ? []
                : named_children().SelectMany(child => components(child.module).Select(c => ($"{child.name}.{c.name}", c.value)));
        }
    }
}
