using System.Text.Json;
using Curvature.Checkpoints;
using Curvature.Cli.Output;
using Curvature.Objectives;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Sharpness;

namespace Curvature.Cli.Work;

/// <summary>Measures a model, puts its weights on the grids of a plan, measures again, and writes what came of it.</summary>
internal static class QuantizeRun
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, NewLine = "\n" };

    /// <summary>Does what <paramref name="request"/> says. Files appear when all is done.</summary>
    public static QuantizeReport Run(QuantizeRequest request, Terminal terminal)
    {
        var environment = new EnvironmentReport();
        IRanks ranks = Team.Join(request.Work.RankTimeout);
        PlanFile? read = null;
        ranks.Together(() => read = PlanFile.Read(request.Plan));
        PlanFile plan = read!;
        string loss = request.Work.Loss.Length > 0 ? request.Work.Loss : plan.Loss
            ?? throw new CurvatureException($"{request.Plan}: it does not say which loss it was made with. Name one (--loss).");
        using var work = Workspace.Open(request.Work with { Loss = loss }, ranks);
        if (Team.Leads)
        {
            CheckOutputs(request);
            CheckpointWriter.Check(work.Loaded, request.Out);
        }

        var network = QuantizableNetwork.Of(work.Model);
        ranks.Together(() =>
        {
            plan.RequireFits(network);
            QuantizedModel.Check(request, network);
        });
        using SampleSet samples = work.Data.Choose(Math.Min(request.Work.Samples ?? long.MaxValue, work.Data.Count), request.Work.Seed);
        using SampleSet? test = request.Test is null ? null : work.Read(request.Test);
        environment.AddEngine(Blas.Measure());
        work.Describe(environment);
        (NetworkQuality, NetworkQuality?) before = Measure(work, samples, test, terminal);
        using QuantizedModel quantized = request.Calibration == QuantizedModel.None
            ? QuantizedModel.Rounded(network, plan)
            : work.Named(() => QuantizedModel.Calibrate(request, work, network, plan, terminal.Say, terminal.Cancellation));
        (NetworkQuality Data, NetworkQuality? Test) after = Measure(work, samples, test, terminal);
        terminal.Cancellation.ThrowIfCancellationRequested();
        if (Team.Leads)
        {
            Write(request, work, plan, quantized);
        }

        environment.AddFile("plan", request.Plan);
        environment.AddFile("test", request.Test);
        environment.Add("samples", samples.Count);
        environment.Add("seconds", Math.Round(environment.Elapsed.TotalSeconds, 3));
        return new QuantizeReport
        {
            Request = request with { Work = request.Work with { Loss = loss } },
            Environment = environment.Entries,
            Plan = plan,
            Layers = network.Layers,
            SquaredErrors = quantized.SquaredErrors,
            Calibration = quantized.Calibrated is null ? null : QuantizeCalibration.Of(quantized),
            Before = before,
            After = after,
            Findings = [.. Findings(request, work, plan, network, quantized).OrderByDescending(finding => finding.Severity)],
        };
    }

    private static void Write(QuantizeRequest request, Workspace work, PlanFile plan, QuantizedModel quantized)
    {
        CheckpointWriter.Write(work.Loaded, request.Out, request.Scales is { } file ? [(file, AtomicFile.Text(Scales(plan, quantized)))] : []);
    }

    /// <summary>Nothing that is read is replaced, and two files do not go to one place.</summary>
    private static void CheckOutputs(QuantizeRequest request)
    {
        InputFiles.Refuse(request.Out, request.Work.Model, request.Work.Data, request.Test, request.Plan);
        if (request.Scales is not { } scales)
        {
            return;
        }

        AtomicFile.CheckFile(scales);
        if (Path.GetFullPath(scales) == Path.GetFullPath(request.Out))
        {
            throw new CurvatureException($"Cannot write '{request.Out}' twice: model and scales are two files. Name another for the scales.");
        }

        InputFiles.Refuse(scales, request.Work.Model, request.Work.Data, request.Test, request.Plan);
    }

    private static (NetworkQuality Data, NetworkQuality? Test) Measure(Workspace work, SampleSet samples, SampleSet? test, Terminal terminal) =>
        work.Named(() => (work.Quality(samples, terminal.Cancellation), test is null ? null : work.Quality(test, terminal.Cancellation)));

    /// <summary>The grids: a weight is <c>scale (code - zero_point)</c> with codes from <c>lowest</c> to <c>highest</c>, an entry a channel, and none of a weight in floating point; an input's are of all its entries.</summary>
    private static string Scales(PlanFile plan, QuantizedModel quantized) => JsonSerializer.Serialize(
        new
        {
            layers = quantized.Grids.Select(layer => new
            {
                name = layer.Key,
                bits = plan.Assignment[layer.Key],
                lowest = layer.Value.Count > 0 ? layer.Value[0].Lowest : (int?)null,
                highest = layer.Value.Count > 0 ? layer.Value[0].Highest : (int?)null,
                scale = layer.Value.Select(grid => grid.Scale),
                zero_point = layer.Value.Select(grid => grid.Zero),
                input = quantized.Calibrated?.QuantizedLayers.First(one => one.Name == layer.Key) is { Input: { } input, InputBits: { } bits }
                    ? new { bits, lowest = input.Lowest, highest = input.Highest, scale = input.Scale, zero_point = input.Zero }
                    : null,
            }),
        },
        Indented) + "\n";

    private static IEnumerable<Finding> Findings(QuantizeRequest request, Workspace work, PlanFile plan, QuantizableNetwork network, QuantizedModel quantized)
    {
        foreach (string remark in work.Remarks)
        {
            yield return Finding.Of("checkpoint", Severity.Info, remark);
        }

        bool inputs = quantized.InputBits.Count > 0;
        KeyValuePair<string, int>[] missing = [.. plan.InputBits.Where(layer => layer.Value != QuantizedWeights.Unquantized && !quantized.InputBits.ContainsKey(layer.Key))];
        int[] widths = [.. missing.Select(layer => layer.Value).Distinct().Order()];
        if (quantized.Calibrated is null)
        {
            yield return Finding.Of("weights-only", Severity.Info, "The file holds the quantized weights' values in floating point; activations, biases and norms are as they were.");
        }
        else
        {
            string seen = request.Test is null ? " Loss and accuracy are on data that calibration has seen in part; --test says how others come out." : "";
            yield return Finding.Of(
                "calibrated",
                Severity.Info,
                $"Calibrated ('{request.Calibration}') on {Format.Count(quantized.Samples, "sample")} of {request.Work.DataName}. The file holds the quantized weights' values in floating point, with the biases and statistics of batch norms that go with them." +
                $"{(inputs ? " Loss and accuracy are with layers' inputs quantized too, by grids that are in no model file (--scales writes them)." : "")}{seen}",
                ("samples", quantized.Samples),
                ("inputs_quantized", inputs));
        }

        if (missing.Length > 0 && quantized.Calibrated is null)
        {
            yield return Finding.Of(
                "inputs-not-quantized",
                Severity.Warning,
                $"The plan was measured with layers' inputs at {string.Join(", ", widths)} bits, and here they stay in floating point: loss and accuracy are those of quantized weights alone. --calibrate light quantizes them too.",
                ("activation_bits", widths));
        }
        else if (missing.Length > 0)
        {
            string[] layers = [.. missing.Select(layer => layer.Key)];
            yield return Finding.Of(
                "inputs-not-quantized",
                Severity.Warning,
                $"The plan has the inputs of {string.Join(", ", layers)} at {string.Join(", ", widths)} bits, and they stay in floating point: they are indices, several, or the layer is never reached by call().",
                ("layers", layers),
                ("activation_bits", widths));
        }

        if (plan.ModelHash is { } hash && hash != work.Loaded.Sha256)
        {
            yield return Finding.Of("another-checkpoint", Severity.Warning, "The plan was made for another checkpoint of these layers: its sensitivities may no longer hold.", ("plan_model_sha256", hash), ("model_sha256", work.Loaded.Sha256));
        }

        if (network.Others.Count > 0)
        {
            yield return Finding.Of("not-quantized", Severity.Info, $"Parameters of rank 2 or more that are no layer's weight keep their precision: {string.Join(", ", network.Others)}.", ("parameters", network.Others));
        }
    }
}
