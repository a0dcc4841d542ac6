using System.Text.Json;
using Curvature.Checkpoints;
using Curvature.Cli.Output;
using Curvature.Data;
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
        var plan = PlanFile.Read(request.Plan);
        string loss = request.Work.Loss.Length > 0 ? request.Work.Loss : plan.Loss
            ?? throw new CurvatureException($"{request.Plan}: it does not say which loss it was made with. Name one (--loss).");
        using var work = Workspace.Open(request.Work with { Loss = loss });
        CheckOutputs(request);
        CheckpointWriter.Check(work.Loaded, request.Out);

        var network = QuantizableNetwork.Of(work.Model);
        plan.RequireFits(network);
        using Dataset samples = work.Data.Sample(Math.Min(request.Work.Samples ?? long.MaxValue, work.Data.Count), request.Work.Seed);
        using Dataset? test = request.Test is null ? null : work.Read(request.Test);
        environment.AddEngine(Blas.Measure());
        work.Describe(environment);
        (NetworkQuality, NetworkQuality?) before = Measure(work, samples, test, terminal);
        using QuantizedWeights quantized = QuantizedWeights.Apply(network, plan.Assignment);
        (NetworkQuality Data, NetworkQuality? Test) after = Measure(work, samples, test, terminal);
        terminal.Cancellation.ThrowIfCancellationRequested();
        if (request.Scales is { } file)
        {
            AtomicFile.WriteText(file, Scales(plan, quantized)); // first: the model may replace the one it was made of
        }

        CheckpointWriter.Write(work.Loaded, request.Out);
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
            Before = before,
            After = after,
            Findings = [.. Findings(work, plan, network).OrderByDescending(finding => finding.Severity)],
        };
    }

    /// <summary>A model may replace the one it was made of, never what else is read; and two files do not go to one place.</summary>
    private static void CheckOutputs(QuantizeRequest request)
    {
        InputFiles.Refuse(request.Out, request.Work.Data, request.Test, request.Plan);
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

    private static (NetworkQuality Data, NetworkQuality? Test) Measure(Workspace work, Dataset samples, Dataset? test, Terminal terminal) =>
        work.Named(() => (work.Quality(samples, terminal.Cancellation), test is null ? null : work.Quality(test, terminal.Cancellation)));

    /// <summary>The grids: a weight is <c>scale (code - zero_point)</c> with codes from <c>lowest</c> to <c>highest</c>, an entry a channel.</summary>
    private static string Scales(PlanFile plan, QuantizedWeights quantized) => JsonSerializer.Serialize(
        new
        {
            layers = quantized.Grids.Select(layer => new
            {
                name = layer.Key,
                bits = plan.Assignment[layer.Key],
                lowest = layer.Value[0].Lowest,
                highest = layer.Value[0].Highest,
                scale = layer.Value.Select(grid => grid.Scale),
                zero_point = layer.Value.Select(grid => grid.Zero),
            }),
        },
        Indented) + "\n";

    private static IEnumerable<Finding> Findings(Workspace work, PlanFile plan, QuantizableNetwork network)
    {
        foreach (string remark in work.Remarks)
        {
            yield return Finding.Of("checkpoint", Severity.Info, remark);
        }

        yield return Finding.Of("weights-only", Severity.Info, "The file holds the quantized weights' values in floating point; activations, biases and norms are as they were.");
        if (plan.ActivationBits is { } inputs)
        {
            yield return Finding.Of(
                "inputs-not-quantized",
                Severity.Warning,
                $"The plan was measured with layers' inputs at {inputs} bits, and here they stay in floating point: loss and accuracy are those of quantized weights alone.",
                ("activation_bits", inputs));
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
