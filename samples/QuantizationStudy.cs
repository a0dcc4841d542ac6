using Curvature.Data;
using Curvature.Quant.Calibration;
using Curvature.Samples.Quantization;
using static TorchSharp.torch;

namespace Curvature.Samples;

/// <summary>
/// Bits for the layers of two networks by every sensitivity, at the size of 4 and 3 bits throughout, and what test images say of them; three trainings of each network. Results are kept in
/// <c>quantization-layers.jsonl</c>, <c>quantization-plans.jsonl</c> and <c>quantization-calibrated.jsonl</c>; what is missing there is made, for an hour if it is all, networks that are not in <c>artifacts/quantization-study</c> trained
/// first; the page <c>quantization.md</c> and its figures are then written from these files alone. Interrupted, it goes on where it was.
/// </summary>
internal static class QuantizationStudy
{
    /// <summary>Where results, page and figures are.</summary>
    public const string Folder = "docs/studies";

    /// <summary>Trainings of a network.</summary>
    public const int Seeds = 3;

    /// <summary>Training images that AdaQuant and tuning see.</summary>
    public const int LearningImages = 1024;

    /// <summary>Training images that sensitivities see.</summary>
    public const int CalibrationImages = 512;

    /// <summary>Training images that plans are verified on.</summary>
    public const int VerificationImages = 4096;

    private const string Networks = "artifacts/quantization-study";

    public static void Run(SampleOptions options, CancellationToken cancellation)
    {
        set_num_threads(1);
        if (options.Quick)
        {
            QuantizationResults tried = new();
            foreach (WeightGrid grid in WeightGrid.All)
            {
                Make(KnownStudyNetworks.Small, grid, new(KnownStudyNetworks.Small, 0, tried, cancellation) { Learning = new AdaQuant { Steps = 20 }, Tuning = new BiasTuning { Epochs = 1 } }, tried, networks: null, cancellation);
            }

            return;
        }

        string folder = options.Out ?? Folder;
        QuantizationResults results = new(folder);
        try
        {
            foreach ((WeightGrid grid, int seed, StudyNetwork network) in
                from grid in WeightGrid.All from seed in Enumerable.Range(0, Seeds) from network in KnownStudyNetworks.All select (grid, seed, network))
            {
                Make(network, grid, new(network, seed, results, cancellation), results, Networks, cancellation);
            }
        }
        finally
        {
            QuantizationPage.Write(folder, results);
            Console.WriteLine($"wrote {Path.Combine(folder, QuantizationPage.Name)} from {results.Count} results");
        }
    }

    private static void Make(StudyNetwork network, WeightGrid grid, CalibrationRuns calibrations, QuantizationResults results, string? networks, CancellationToken cancellation)
    {
        PlanRuns plans = new(network, calibrations.Seed, grid, results, cancellation);
        bool calibrates = grid == CalibrationRuns.Grid && !calibrations.AreMade;
        if (plans.AreMade && !calibrates)
        {
            return;
        }

        (Dataset train, Dataset test) = network.Read();
        using (train)
        using (test)
        {
            using nn.Module<Tensor, Tensor> model = TrainedNetwork.Get(network, train, calibrations.Seed, networks, cancellation);
            using Dataset calibration = train.Sample(CalibrationImages, calibrations.Seed), learning = train.Sample(LearningImages, calibrations.Seed);
            using Dataset verification = train.Sample(Math.Min(VerificationImages, train.Count), calibrations.Seed);
            plans.Make(model, calibration, verification, test);
            if (calibrates)
            {
                calibrations.Make(model, learning, test);
            }
        }
    }
}
