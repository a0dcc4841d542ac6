using System.Globalization;
using System.Text.RegularExpressions;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Tensors;

/// <summary>
/// Where a measurement runs, and with what arithmetic. On a GPU libtorch lets cuDNN round the factors of float32 convolutions to TF32, a
/// mantissa of 10 bits: enough to train, not to measure a curvature by. It is off here unless asked for. The fused kernels of attention
/// have no second derivative and are off always, where libtorch's switches are found (on Linux): <c>scaled_dot_product_attention</c> is computed by matrix products. Nothing of this has been run on a GPU.
/// </summary>
public static partial class ComputeDevice
{
    // Set for each process of a job on one machine: Open MPI, MPICH and Intel MPI (Hydra), PyTorch's launcher, and last Slurm, in whose jobs the others are started and which all that they start inherits.
    private static readonly string[] LocalRanks = ["OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "LOCAL_RANK", "SLURM_LOCALID"];

    private static bool _isOneForAll;

    /// <summary>What names a device, for messages: <c>cpu</c>, <c>cuda</c> (the first), <c>cuda:INDEX</c>, <c>cuda:local</c> (one for each process of a job on this machine).</summary>
    public const string Expected = "cpu, cuda, cuda:INDEX or cuda:local";

    /// <summary>What a device's name fits.</summary>
    public static Regex Names => Name();

    /// <summary>Whether TF32 is allowed in products or convolutions of float32, in this process as it is now.</summary>
    public static bool AllowsTF32 => backends.cuda.matmul.allow_tf32 || backends.cudnn.allow_tf32;

    /// <summary>Whether libtorch may compute <c>scaled_dot_product_attention</c> by a fused kernel, which has no second derivative, in this process as it is now; null where its switches are not found.</summary>
    public static bool? AllowsFusedAttention => FusedAttention.IsAllowed;

    /// <summary>The device of that name, with this process's arithmetic set as above.</summary>
    /// <param name="name">One of <see cref="Expected"/>.</param>
    /// <param name="tf32">Allow TF32: faster products with errors of 5e-4 of their size.</param>
    /// <param name="processes">Those of one job on this machine: where there are several, <c>cuda</c> is <c>cuda:local</c>.</param>
    /// <exception cref="CurvatureException">No such name; no such device; more processes on this machine than devices.</exception>
    public static Device Open(string name, bool tf32 = false, int processes = 1)
    {
        if (!Name().IsMatch(name))
        {
            throw new CurvatureException($"The device '{name}' is unknown: expected {Expected}.");
        }

        backends.cuda.matmul.allow_tf32 = tf32;
        backends.cudnn.allow_tf32 = tf32;
        backends.cuda.enable_flash_sdp(false);
        FusedAttention.Forbid();
        if (name == "cuda" && processes > 1)
        {
            name = "cuda:local";
        }

        _isOneForAll = name is not ("cpu" or "cuda:local");
        return name == "cpu" ? CPU : device(Resolve(name, cuda.device_count(), Environment.GetEnvironmentVariable));
    }

    /// <summary>
    /// How many processes of a job on this machine share this one's device: all of them where it is the CPU, or a GPU that <see cref="Open"/> was told by <c>cuda</c> or its index. Otherwise they are taken to be spread evenly over the
    /// GPUs, as by <c>cuda:local</c>.
    /// </summary>
    /// <param name="device">The device of this process.</param>
    /// <param name="processes">How many there are.</param>
    /// <param name="devices">How many GPUs the machine has; null: as many as libtorch counts.</param>
    public static int Sharers(Device device, int processes, int? devices = null)
    {
        ArgumentNullException.ThrowIfNull(device);
        int among = device.type == DeviceType.CPU || _isOneForAll ? 1 : Math.Max(devices ?? cuda.device_count(), 1);
        return (processes + among - 1) / among;
    }

    /// <summary>The name with the index it stands for: <c>cuda:local</c> is <c>cuda:I</c> in the I-th process of a job on a machine, as its launcher tells it.</summary>
    /// <param name="name">One that asks for CUDA.</param>
    /// <param name="devices">How many there are.</param>
    /// <param name="environment">The value of an environment variable, null where it is not set.</param>
    /// <exception cref="CurvatureException">There is no such device.</exception>
    public static string Resolve(string name, int devices, Func<string, string?> environment)
    {
        if (devices == 0)
        {
            throw new CurvatureException($"The device '{name}' cannot be used: this libtorch finds no CUDA device. Use cpu, or a CUDA build of libtorch (LIBTORCH).");
        }

        int index = name switch
        {
            "cuda" => 0,
            "cuda:local" => devices == 1 && environment("SLURM_GPUS_PER_TASK") is "1" ? 0 : LocalRank(environment), // Slurm shows such a process its own device alone
            _ => int.Parse(name["cuda:".Length..], CultureInfo.InvariantCulture),
        };
        if (index < devices)
        {
            return name == "cuda" ? name : $"cuda:{index}";
        }

        string found = devices == 1 ? "1 CUDA device" : $"{devices} CUDA devices";
        throw new CurvatureException(name == "cuda:local"
            ? $"The device 'cuda:local' cannot be used: this is process {index + 1} of a job on this machine, which has {found}. Start one process a device, e.g. mpirun --map-by ppr:{devices}:node, or name the one that all are to share, e.g. cuda:0."
            : $"The device '{name}' cannot be used: this machine has {found}, counted from 0.");
    }

    /// <summary>This process's number among those of its job on this machine; 0 where there is no job.</summary>
    private static int LocalRank(Func<string, string?> environment) => LocalRanks
        .Select(variable => int.TryParse(environment(variable), NumberStyles.None, CultureInfo.InvariantCulture, out int rank) ? rank : (int?)null)
        .FirstOrDefault(rank => rank is not null) ?? 0;

    [GeneratedRegex("^(cpu|cuda|cuda:[0-9]{1,3}|cuda:local)$", RegexOptions.CultureInvariant)]
    private static partial Regex Name();
}
