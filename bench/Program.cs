using System.Globalization;
using Curvature.Bench;
using Curvature.Tensors;
using TorchSharp;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
FreedMemory.Keep(); // as the command does
if (args is ["ranks-worker", string samples, string probes, string what])
{
    return RanksSection.Work(int.Parse(samples, CultureInfo.InvariantCulture), int.Parse(probes, CultureInfo.InvariantCulture), withSteps: what == "steps");
}

BenchOptions? options = BenchOptions.Parse(args, Console.Error);
if (options is null)
{
    return 2;
}

Console.WriteLine($"libtorch {torch.__version__}, {Environment.ProcessorCount} cores, {(options.Quick ? "quick (figures are not for quoting)" : "full")} run");
foreach (Section section in KnownSections.All.Where(section => options.Sections.Contains(section.Name)))
{
    Console.WriteLine();
    Console.WriteLine(section.Title);
    section.Run(options, Console.Out);
}

return 0;
