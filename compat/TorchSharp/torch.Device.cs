using System.Globalization;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>Where a tensor lives: a kind of device and its index, -1 for the current one.</summary>
    public class Device
    {
        public DeviceType type { get; }

        public int index { get; }

        public Device(DeviceType deviceType, int index = -1) => (type, this.index) = (deviceType, index);

        /// <summary>For example "cpu", "cuda" or "cuda:1".</summary>
        public Device(string description)
        {
            var parts = description.Split(':');
            (type, index) = (Parse(parts[0]), parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : -1);
        }

        public override string ToString() =>
            type.ToString().ToLowerInvariant() + (index < 0 ? "" : ":" + index.ToString(CultureInfo.InvariantCulture));

        /// <summary>As one number for the native side (abi.h).</summary>
        internal long Code => ((long)type << 32) | (uint)index;

        internal static Device FromCode(long code) => new((DeviceType)(code >> 32), (int)code);

        private static DeviceType Parse(string name) => name.ToLowerInvariant() switch
        {
            "cpu" => DeviceType.CPU,
            "cuda" => DeviceType.CUDA,
            _ => throw new ArgumentException($"Unknown device '{name}': expected cpu, cuda or cuda:INDEX."),
        };
    }

    public static readonly Device CPU = new(DeviceType.CPU);

    public static Device device(string description)
    {
        var device = new Device(description);
        return device.type != DeviceType.CUDA || cuda.is_available()
            ? device
            : throw new InvalidOperationException("Torch device type CUDA did not initialise on the current machine: this libtorch finds no CUDA device.");
    }
}
