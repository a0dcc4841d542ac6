using Curvature.Samples.Study;

namespace Curvature.Samples.Quantization;

/// <summary>What was measured: sensitivities, plans, and networks with activations quantized too, each in a file of its own.</summary>
internal sealed class QuantizationResults
{
    public const string LayersName = "quantization-layers.jsonl", PlansName = "quantization-plans.jsonl", CalibratedName = "quantization-calibrated.jsonl";

    private readonly JsonLines<LayerLine> _layers;
    private readonly JsonLines<PlanLine> _plans;
    private readonly JsonLines<CalibratedLine> _calibrated;

    /// <param name="folder">Of the files, which may not exist yet; null keeps results in memory.</param>
    /// <exception cref="CurvatureException">A line in the middle of a file is damaged.</exception>
    public QuantizationResults(string? folder = null)
    {
        _layers = new JsonLines<LayerLine>(folder is null ? null : Path.Combine(folder, LayersName));
        _plans = new JsonLines<PlanLine>(folder is null ? null : Path.Combine(folder, PlansName));
        _calibrated = new JsonLines<CalibratedLine>(folder is null ? null : Path.Combine(folder, CalibratedName));
    }

    /// <summary>How many there are.</summary>
    public int Count => _layers.All.Count + _plans.All.Count + _calibrated.All.Count;

    public void Add(LayerLine line) => _layers.Add(line);

    public void Add(PlanLine line) => _plans.Add(line);

    public void Add(CalibratedLine line) => _calibrated.Add(line);

    /// <summary>What a sensitivity says of the networks trained by the present recipe.</summary>
    public IEnumerable<LayerLine> Layers(StudyNetwork network, WeightGrid grid, string method) =>
        _layers.All.Where(line => line.Network == network.Name && line.Recipe == network.Recipe && line.Grid == grid.Name && line.Method == method);

    /// <summary>The plans of a method for the networks trained by the present recipe.</summary>
    public IEnumerable<PlanLine> Plans(StudyNetwork network, PlanKind kind, string method) => _plans.All.Where(line =>
        line.Network == network.Name && line.Recipe == network.Recipe && line.Method == method &&
        line.Grid == kind.Grid && line.EndsAt8 == kind.EndsAt8 && line.AverageBits == kind.AverageBits);

    /// <summary>Networks trained by the present recipe with a method's plan and activations quantized.</summary>
    public IEnumerable<CalibratedLine> Calibrated(StudyNetwork network, bool endsAt8, string method, Calibration calibration) => _calibrated.All.Where(line =>
        line.Network == network.Name && line.Recipe == network.Recipe && line.EndsAt8 == endsAt8 && line.Method == method && line.Calibration == calibration.Name);
}
