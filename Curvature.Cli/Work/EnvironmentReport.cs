using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using TorchSharp;

namespace Curvature.Cli.Work;

/// <summary>
/// Under what circumstances numbers came about: the head of every result. Names are in snake case and in the order they are shown. Its clock
/// starts when it is made.
/// </summary>
internal sealed class EnvironmentReport
{
    private readonly List<KeyValuePair<string, object?>> _entries = [];
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    public EnvironmentReport()
    {
        Add("curvature", Version(typeof(EnvironmentReport).Assembly));
        Add("dotnet", Environment.Version.ToString());
        Add("os", RuntimeInformation.OSDescription);
    }

    /// <summary>What was added so far.</summary>
    public IReadOnlyList<KeyValuePair<string, object?>> Entries => _entries;

    /// <summary>What earlier runs of the same work took.</summary>
    public TimeSpan Before { get; set; }

    /// <summary>Time since the work began, with that of earlier runs.</summary>
    public TimeSpan Elapsed => Before + _clock.Elapsed;

    /// <summary>Adds one circumstance.</summary>
    public void Add(string name, object? value) => _entries.Add(new(name, value));

    /// <summary>Adds the engine, what it multiplies with and on how many threads; not how fast, which no two runs have the same: of a slow one a finding tells.</summary>
    public void AddEngine(Blas blas)
    {
        AddEngine();
        Add("blas", blas.Name);
        Add("threads", blas.Threads);
    }

    /// <summary>Adds the engine.</summary>
    public void AddEngine()
    {
        Add("libtorch", torch.__version__);
        Add("engine", $"{typeof(torch).Assembly.GetName().Name} {Version(typeof(torch).Assembly)}");
    }

    /// <summary>SHA-256 of a file, or of the two of an IDX pair with a comma between.</summary>
    public static string Sha256(string specification) => string.Join(',', InputFiles.Of(specification).Select(Hash));

    /// <summary>Adds a further file that was read, with its SHA-256 beside it; nothing where there is none.</summary>
    public void AddFile(string name, string? specification)
    {
        if (specification is not null && Team.Leads) // who alone shows it
        {
            Add(name, specification);
            Add($"{name}_sha256", Sha256(specification));
        }
    }

    private static string Version(Assembly assembly) =>
        assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? assembly.GetName().Version!.ToString();

    private static string Hash(string file)
    {
        using FileStream stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
