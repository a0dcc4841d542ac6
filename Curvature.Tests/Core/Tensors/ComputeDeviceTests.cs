using Curvature.Tensors;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Curvature.Tests.Core.Tensors;

public sealed class ComputeDeviceTests : IDisposable
{
    private readonly (bool Products, bool Convolutions) _before = (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32);

    [Fact]
    public void Opening_a_device_forbids_tf32_unless_it_is_asked_for()
    {
        backends.cudnn.allow_tf32 = true; // libtorch's own default
        Assert.True(ComputeDevice.AllowsTF32);
        Assert.Equal(CPU.type, ComputeDevice.Open("cpu").type);
        Assert.Equal((false, false), (ComputeDevice.AllowsTF32, backends.cudnn.allow_tf32));
        ComputeDevice.Open("cpu", tf32: true);
        Assert.Equal((true, true), (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32));
    }

    [Fact]
    public void Opening_a_device_forbids_fused_attention_which_has_no_second_derivative()
    {
        backends.cuda.enable_flash_sdp(true); // libtorch's own default
        Assert.True(ComputeDevice.AllowsFusedAttention);
        ComputeDevice.Open("cpu");
        Assert.False(ComputeDevice.AllowsFusedAttention);
    }

    [Theory]
    [InlineData("cuda", 1, "cuda")]
    [InlineData("cuda:3", 4, "cuda:3")]
    [InlineData("cuda:local", 4, "cuda:0")]
    [InlineData("cuda:local", 4, "cuda:2", "OMPI_COMM_WORLD_LOCAL_RANK", "2")]
    [InlineData("cuda:local", 4, "cuda:1", "MPI_LOCALRANKID", "1")]
    [InlineData("cuda:local", 8, "cuda:7", "SLURM_LOCALID", "7")]
    [InlineData("cuda:local", 8, "cuda:5", "LOCAL_RANK", "5")]
    [InlineData("cuda:local", 8, "cuda:0", "LOCAL_RANK", "-1")] // none
    public void Each_process_of_a_job_gets_a_device_of_its_own(string name, int devices, string expected, string? variable = null, string? value = null) =>
        Assert.Equal(expected, ComputeDevice.Resolve(name, devices, asked => asked == variable ? value : null));

    [Fact]
    public void The_innermost_launcher_is_asked_and_a_device_of_ones_own_is_taken()
    {
        Dictionary<string, string> environment = new() { ["SLURM_LOCALID"] = "0", ["LOCAL_RANK"] = "3" };
        Assert.Equal("cuda:3", ComputeDevice.Resolve("cuda:local", 4, environment.GetValueOrDefault));
        environment["OMPI_COMM_WORLD_LOCAL_RANK"] = "1";
        Assert.Equal("cuda:1", ComputeDevice.Resolve("cuda:local", 4, environment.GetValueOrDefault));
        environment["SLURM_GPUS_PER_TASK"] = "1";
        Assert.Equal("cuda:0", ComputeDevice.Resolve("cuda:local", 1, environment.GetValueOrDefault));
    }

    [Theory]
    [InlineData("cuda", 0, "'cuda' cannot be used: this libtorch finds no CUDA device. Use cpu")]
    [InlineData("cuda:local", 0, "finds no CUDA device")]
    [InlineData("cuda:2", 2, "'cuda:2' cannot be used: this machine has 2 CUDA devices, counted from 0")]
    [InlineData("cuda:local", 1, "this is process 4 of a job on this machine, which has 1 CUDA device. Start one process a device, e.g. mpirun --map-by ppr:1:node, or name the one that all are to share, e.g. cuda:0.")]
    public void A_device_that_is_not_there_is_an_error_that_says_what_to_do(string name, int devices, string expected) =>
        Assert.Contains(expected, Assert.Throws<CurvatureException>(() => ComputeDevice.Resolve(name, devices, asked => asked == "SLURM_LOCALID" ? "3" : null)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_device_that_all_processes_name_alike_is_shared_by_all_of_them()
    {
        ComputeDevice.Open("cpu"); // which says nothing of GPUs
        Assert.Equal((4, 1), (ComputeDevice.Sharers(CPU, 4), ComputeDevice.Sharers(new Device(DeviceType.CUDA, 0), 4, devices: 8)));
        if (cuda.is_available())
        {
            ComputeDevice.Open("cuda:0");
            Assert.Equal(4, ComputeDevice.Sharers(new Device(DeviceType.CUDA, 0), 4, devices: 8));
            ComputeDevice.Open("cpu");
        }
    }

    [Fact]
    public void Over_processes_of_a_machine_cuda_is_a_device_each()
    {
        if (cuda.device_count() == 0)
        {
            Assert.Contains("'cuda:local' cannot be used", Assert.Throws<CurvatureException>(() => ComputeDevice.Open("cuda", processes: 2)).Message, StringComparison.Ordinal);
            return;
        }

        Assert.Equal("cuda:0", ComputeDevice.Open("cuda", processes: 2).ToString());
        Assert.Equal((5 + cuda.device_count() - 1) / cuda.device_count(), ComputeDevice.Sharers(device("cuda"), 5));
    }

    [Theory]
    [InlineData("gpu")]
    [InlineData("cuda:")]
    [InlineData("cuda:-1")]
    [InlineData("cuda:1000")]
    [InlineData("")]
    public void A_name_that_is_none_is_refused(string name) =>
        Assert.Contains("expected cpu, cuda, cuda:INDEX or cuda:local", Assert.Throws<CurvatureException>(() => ComputeDevice.Open(name)).Message, StringComparison.Ordinal);

    public void Dispose()
    {
        ComputeDevice.Open("cpu");
        (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32) = _before;
    }
}
