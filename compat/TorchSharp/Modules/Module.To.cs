using System.Reflection;
using TorchSharp.Modules;

namespace TorchSharp;

public static partial class torch
{
    public static partial class nn
    {
        public partial class Module
        {
            /// <summary>
            /// Casts floating-point parameters and buffers and moves all of them. Whatever changes is a new object (tied ones stay tied),
            /// put where the old one was registered and into the fields that held it; the old one is disposed.
            /// </summary>
            internal virtual void Move(ScalarType? dtype, Device? device, Dictionary<Tensor, Tensor> replaced)
            {
                using IDisposable noGrad = no_grad();
                foreach ((string name, Parameter old) in _parameters.ToList())
                {
                    _parameters[name] = (Parameter)Moved(old, dtype, device, replaced);
                }
                foreach ((string name, (Tensor old, bool persistent)) in _buffers.ToList())
                {
                    _buffers[name] = (Moved(old, dtype, device, replaced), persistent);
                }
                for (Type? type = GetType(); type != typeof(Module); type = type!.BaseType)
                {
                    const BindingFlags declared =
                        BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
                    foreach (FieldInfo field in type!.GetFields(declared).Where(f => typeof(Tensor).IsAssignableFrom(f.FieldType)))
                    {
                        if (field.GetValue(this) is Tensor held && replaced.TryGetValue(held, out Tensor? now)) field.SetValue(this, now);
                    }
                }
                foreach (Module child in children()) child.Move(dtype, device, replaced);
            }

            private static Tensor Moved(Tensor old, ScalarType? dtype, Device? device, Dictionary<Tensor, Tensor> replaced)
            {
                if (replaced.TryGetValue(old, out Tensor? done)) return done;
                ScalarType toType = dtype is not null && old.is_floating_point() ? dtype.Value : old.dtype;
                Device toDevice = device ?? old.device;
                if (toType == old.dtype && toDevice.ToString() == old.device.ToString()) return old;
                using Tensor detached = old.detach();
                Tensor moved = detached.to(toType, toDevice);
                if (old is Parameter)
                {
                    moved = new Parameter(moved, old.requires_grad);
                    using Tensor? grad = old.grad;
                    using Tensor? movedGrad = grad?.to(toType, toDevice);
                    moved.grad = movedGrad;
                }
                moved.DetachFromDisposeScope();
                replaced[old] = moved;
                return moved;
            }
        }
    }
}

public static class ModuleExtensionMethods
{
    public static T to<T>(this T module, torch.ScalarType type, bool non_blocking = false) where T : torch.nn.Module =>
        Moved(module, type, null);

    public static T to<T>(this T module, torch.Device device, bool non_blocking = false) where T : torch.nn.Module =>
        Moved(module, null, device);

    public static T cpu<T>(this T module, bool non_blocking = false) where T : torch.nn.Module => module.to(torch.CPU);

    private static T Moved<T>(T module, torch.ScalarType? dtype, torch.Device? device) where T : torch.nn.Module
    {
        if (dtype is { } type && !torch.is_floating_point(type))
        {
            throw new ArgumentException($"A module can be cast to floating-point types only, not to {type}.", nameof(dtype));
        }
        var replaced = new Dictionary<torch.Tensor, torch.Tensor>(ReferenceEqualityComparer.Instance);
        module.Move(dtype, device, replaced);
        foreach (torch.Tensor old in replaced.Keys) old.Dispose();
        return module;
    }
}
