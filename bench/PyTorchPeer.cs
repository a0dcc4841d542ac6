using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Bench;

/// <summary>
/// A Python process that runs <c>compare_pytorch.py</c>: one command a line on its input, one answer a line on its output; tensors go
/// through raw little-endian files in a folder that is deleted with the peer.
/// </summary>
internal sealed class PyTorchPeer : IDisposable
{
    private readonly Process process;
    private readonly string folder = Directory.CreateTempSubdirectory("curvature-bench-").FullName;

    private PyTorchPeer(Process process)
    {
        this.process = process;
        Version = Read();
    }

    /// <summary>Version of PyTorch there.</summary>
    public string Version { get; }

    /// <summary>The peer, or null and the reason why there is none. The variable <c>PYTHON</c> names an interpreter to prefer.</summary>
    public static PyTorchPeer? Start(out string reason)
    {
        string script = Path.Combine(AppContext.BaseDirectory, "compare_pytorch.py");
        string[] interpreters = [Environment.GetEnvironmentVariable("PYTHON") ?? "python3", "/usr/bin/python3"];
        if (Array.Find(interpreters, HasTorch) is not { } python)
        {
            reason = "no python3 with torch found (Debian package python3-torch; the variable PYTHON names another interpreter)";
            return null;
        }

        reason = "";
        ProcessStartInfo start = new(python, [script]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        // The waiting side must not spin on the cores that the other side computes with.
        start.Environment["OMP_WAIT_POLICY"] = "PASSIVE";
        return new PyTorchPeer(Process.Start(start)!);
    }

    /// <summary>Computes there from the next network on.</summary>
    /// <param name="device">cpu, cuda or cuda:INDEX.</param>
    /// <exception cref="CurvatureException">That PyTorch has no such device.</exception>
    public void SetDevice(string device) => Ask($"device {device}");

    /// <summary>Builds the same network there, with the same weights, data and vector.</summary>
    /// <param name="network">What it is called there.</param>
    /// <param name="sizes">What it is made with there.</param>
    /// <param name="workload">Here.</param>
    /// <param name="v">The vector that products are with.</param>
    public void Load(string network, IReadOnlyList<long> sizes, Workload workload, Tensor v)
    {
        using DisposeScope scope = NewDisposeScope();
        File.WriteAllLines(Path.Combine(folder, "names"), workload.Objective.Parameters.Names);
        Write("parameters", workload.Objective.Parameters.Flatten(workload.Objective.Parameters.Parameters).detach());
        Write("inputs", workload.Batch.Inputs);
        Write("targets", workload.Batch.Targets);
        Write("vector", v);
        Ask($"load {network} {folder} {string.Join(' ', sizes)}");
    }

    public void SetThreads(int count) => Ask($"threads {count.ToString(CultureInfo.InvariantCulture)}");

    /// <summary>One product there, with <c>hessian</c> or <c>ggn</c>, on graphs that are kept; its seconds, measured there.</summary>
    public double Product(string matrix) => Seconds($"product {matrix}");

    /// <summary>One product there that makes its graphs; its seconds.</summary>
    public double Fresh(string matrix) => Seconds($"fresh {matrix}");

    /// <summary>The gradient; its seconds.</summary>
    public double Gradient() => Seconds("gradient");

    /// <summary>Gives back the graphs that are kept there, and their memory.</summary>
    public void Forget() => Ask("forget");

    /// <summary>What was computed last, <c>[P]</c>.</summary>
    public Tensor Last()
    {
        Ask("save");
        byte[] bytes = File.ReadAllBytes(Path.Combine(folder, "product"));
        return tensor(MemoryMarshal.Cast<byte, float>(bytes).ToArray());
    }

    public void Dispose()
    {
        process.StandardInput.Close();
        process.WaitForExit();
        process.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private static bool HasTorch(string python)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(python, ["-c", "import torch, numpy"]) { RedirectStandardError = true })!;
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private void Write(string name, Tensor there)
    {
        using Tensor tensor = there.cpu();
        ReadOnlySpan<byte> bytes = tensor.dtype == ScalarType.Int64
            ? MemoryMarshal.AsBytes<long>(tensor.data<long>().ToArray())
            : MemoryMarshal.AsBytes<float>(tensor.data<float>().ToArray());
        File.WriteAllBytes(Path.Combine(folder, name), bytes);
    }

    private string Ask(string command)
    {
        process.StandardInput.WriteLine(command);
        process.StandardInput.Flush();
        string answer = Read();
        return answer.StartsWith("error: ", StringComparison.Ordinal) ? throw new CurvatureException($"PyTorch: {answer}") : answer;
    }

    private double Seconds(string command) => double.Parse(Ask(command), CultureInfo.InvariantCulture);

    private string Read() => process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("The Python process ended; its error is above.");
}
