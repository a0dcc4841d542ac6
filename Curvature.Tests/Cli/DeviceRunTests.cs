using System.Text.Json;
using Curvature.Cli;
using TorchSharp;
using Xunit;

namespace Curvature.Tests.Cli;

/// <summary>The command on the device of the tests (<c>eng/test-device.sh</c>), beside the CPU.</summary>
public sealed class DeviceRunTests
{
    [DeviceRunFact]
    public void What_is_measured_on_the_device_is_what_is_measured_on_the_CPU()
    {
        (JsonElement here, JsonElement cpu) = (Trace(Here.ToString()), Trace("cpu"));
        Assert.Equal((Here.ToString(), "cpu"), (Device(here), Device(cpu)));
        Assert.Equal(1, here.GetProperty("trace").GetProperty("value").GetDouble() / cpu.GetProperty("trace").GetProperty("value").GetDouble(), 10);
    }

    [DeviceRunFact]
    public void A_report_is_written_of_measurements_on_the_device()
    {
        using TemporaryFolder folder = new();
        CommandRun run = CommandRun.Of(["report", .. CommandRun.Digits, "--samples", "64", "--probes", "2", "--steps", "10", "--runs", "2", "--device", Here.ToString(), "--out", folder.File("report")]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        Assert.Equal(Here.ToString(), Device(JsonDocument.Parse(File.ReadAllText(folder.File("report/report.json"))).RootElement));
    }

    private static JsonElement Trace(string device)
    {
        CommandRun run = CommandRun.Of(["measure", "trace", .. CommandRun.Digits, "--samples", "64", "--probes", "2", "--dtype", "float64", "--device", device, "--json"]);
        Assert.True(run.ExitCode == CurvatureCommand.Success, run.Error);
        return run.Json();
    }

    /// <summary>On the CPU both would be the CPU.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    private sealed class DeviceRunFactAttribute : FactAttribute
    {
        public DeviceRunFactAttribute() => Skip = Here.type == DeviceType.CPU ? "the tests' device is the CPU; eng/test-device.sh names another" : null;
    }

    private static string? Device(JsonElement result) => result.GetProperty("environment").GetProperty("device").GetString();
}
