using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>A stream of random numbers. The same seed gives the same numbers from an own generator and from the device's default one.</summary>
    public class Generator : IDisposable
    {
        private IntPtr handle;

        public Generator(ulong seed = 0, Device? device = null)
        {
            this.device = device ?? CPU;
            Native.Check(Native.cv_generator(this.device.Code, 1, out handle));
            Native.Check(Native.cv_generator_seed(handle, seed));
        }

        private Generator(IntPtr handle, Device device) => (this.handle, this.device) = (handle, device);

        ~Generator() => Dispose(false);

        /// <summary>The one that draws go to when none is named.</summary>
        public static Generator Default => Of(CPU);

        public IntPtr Handle => handle != 0 ? handle : throw new InvalidOperationException("The generator is disposed.");

        public Device device { get; }

        public Generator manual_seed(long seed)
        {
            Native.Check(Native.cv_generator_seed(Handle, (ulong)seed));
            return this;
        }

        public long initial_seed()
        {
            Native.Check(Native.cv_generator_initial_seed(Handle, out var seed));
            return (long)seed;
        }

        public Tensor get_state()
        {
            Native.Check(Native.cv_generator_state(Handle, out var state));
            return new(state);
        }

        public void set_state(Tensor value) => Native.Check(Native.cv_generator_set_state(Handle, value.Handle));

        public void Dispose()
        {
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing)
        {
            var released = Interlocked.Exchange(ref handle, 0);
            if (released != 0) Native.cv_generator_release(released);
        }

        internal static Generator Of(Device device)
        {
            Native.Check(Native.cv_generator(device.Code, 0, out var handle));
            return new(handle, device);
        }
    }

    /// <summary>Seeds the default generators of all devices.</summary>
    public static Generator manual_seed(long seed) => random.manual_seed(seed);

    /// <summary>The default CPU generator.</summary>
    public static class random
    {
        public static Generator manual_seed(long seed)
        {
            Native.Check(Native.cv_manual_seed((ulong)seed));
            return Generator.Default;
        }

        public static Tensor get_rng_state()
        {
            using var generator = Generator.Default;
            return generator.get_state();
        }

        public static void set_rng_state(Tensor new_state)
        {
            using var generator = Generator.Default;
            generator.set_state(new_state);
        }
    }
}
