using Curvature.Tensors;

namespace Curvature.Bench;

/// <summary>What to measure.</summary>
/// <param name="Quick">A few rounds of everything: shows that it runs, not how fast.</param>
/// <param name="Threads">Intra-op thread counts, each measured in turn.</param>
/// <param name="Workloads">Names of the networks.</param>
/// <param name="Sections">Names of the measurements.</param>
/// <param name="Device">Where the section <c>gpu</c> runs: cuda, cuda:INDEX or cpu.</param>
internal sealed record BenchOptions(bool Quick, IReadOnlyList<int> Threads, IReadOnlyList<string> Workloads, IReadOnlyList<string> Sections, string Device)
{
    private static readonly string Usage = $"""
        usage: bench [SECTION...] [--quick] [--threads 1,2] [--only NETWORK,...] [--device cuda]
        sections: {string.Join(", ", KnownSections.All.Select(section => section.Name))}
        networks: {string.Join(", ", KnownWorkloads.Names)}
        """;

    /// <summary>Reads the command line; null, with the usage on <paramref name="error"/>, where it makes no sense.</summary>
    public static BenchOptions? Parse(string[] arguments, TextWriter error)
    {
        bool quick = false;
        int[] threads = [1, 2];
        IReadOnlyList<string> workloads = KnownWorkloads.Names;
        List<string> sections = [];
        string device = "cuda";
        bool valid = true;
        for (int i = 0; i < arguments.Length; i++)
        {
            string[] Values() => i + 1 < arguments.Length ? arguments[++i].Split(',') : [];
            switch (arguments[i])
            {
                case "--quick":
                    quick = true;
                    break;
                case "--threads":
                    threads = [.. Values().Select(value => int.TryParse(value, out int count) ? count : 0)];
                    valid &= threads.Length > 0 && threads.All(count => count > 0);
                    break;
                case "--only":
                    workloads = Values();
                    valid &= workloads.Count > 0 && workloads.All(KnownWorkloads.Names.Contains);
                    break;
                case "--device":
                    device = string.Join(',', Values());
                    valid &= ComputeDevice.Names.IsMatch(device);
                    break;
                default:
                    sections.Add(arguments[i]);
                    valid &= KnownSections.All.Any(section => section.Name == arguments[i]);
                    break;
            }
        }

        if (!valid)
        {
            error.WriteLine(Usage);
            return null;
        }

        return new BenchOptions(quick, threads, workloads, sections.Count > 0 ? sections : [.. KnownSections.All.Select(section => section.Name)], device);
    }
}
