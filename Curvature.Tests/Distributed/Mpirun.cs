using System.Diagnostics;
using System.Globalization;

namespace Curvature.Tests.Distributed;

/// <summary>Starts this assembly's entry point on several ranks.</summary>
internal static class Mpirun
{
    public static string? Executable { get; } =
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, "mpirun")).FirstOrDefault(File.Exists);

    /// <summary>Runs to the end, or fails after two minutes with what was printed till then: ranks that wait for one that has failed would wait for ever.</summary>
    /// <param name="ranks">How many.</param>
    /// <param name="arguments">Of <see cref="RankProgram"/>.</param>
    /// <param name="library">What CURVATURE_MPI names; null: nothing.</param>
    public static (int ExitCode, string Output) Run(int ranks, string[] arguments, string? library = null)
    {
        ProcessStartInfo start = new(Executable!)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetTempPath(),
        };
        foreach (string argument in (string[])["--oversubscribe", "-n", ranks.ToString(CultureInfo.InvariantCulture), "dotnet", typeof(Mpirun).Assembly.Location, "ranks", .. arguments])
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["OMPI_ALLOW_RUN_AS_ROOT"] = start.Environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1";
        start.Environment["OMP_NUM_THREADS"] = "1";
        start.Environment["CURVATURE_MPI"] = library ?? "";
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(2)))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"mpirun did not end. It said: {output.Result}{error.Result}");
        }

        return (process.ExitCode, output.Result + error.Result);
    }
}
