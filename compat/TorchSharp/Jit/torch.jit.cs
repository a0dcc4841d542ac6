using TorchSharp.Interop;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>TorchScript files.</summary>
    public static partial class jit
    {
        public static ScriptModule load(string filename, DeviceType device_type = DeviceType.CPU, long device_index = -1) => new(Open(filename, new(device_type, (int)device_index)));

        public static ScriptModule<T1, TResult> load<T1, TResult>(string filename, DeviceType device_type = DeviceType.CPU, long device_index = -1) =>
            new(Open(filename, new(device_type, (int)device_index)));

        public static void save(ScriptModule module, string filename) => module.Save(filename);

        private static IntPtr Open(string path, Device device)
        {
            if (!File.Exists(path)) throw new FileNotFoundException($"No TorchScript file {path}.", path);
            Native.Check(Native.cv_jit_load(path, device.Code, out var module));
            return module;
        }
    }
}
