using Curvature.Operators;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// What the loss really rises by when one layer is quantized and all others stay in floating point, with the standard error of that difference over batches: each batch is compared with itself, so that
/// what batches differ in does not count. One batch has no standard error. What a plan adds up of them leaves out what layers do to each other. Cost: a forward pass over the data for each layer and width.
/// </summary>
public sealed record MeasuredSensitivity : ISensitivity
{
    /// <inheritdoc/>
    public double? IncreaseFactor => 1;

    /// <inheritdoc/>
    public LayerTable Measure(SensitivityProblem problem, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        IReadOnlyList<BatchQuality> floating = Evaluate(problem, cancellation);
        int total = problem.Network.Layers.Count * problem.Bits.Count, done = 0;
        return problem.Table((layer, _) =>
        {
            var increases = new Dictionary<int, double>();
            var errors = new Dictionary<int, double>();
            foreach (int bits in problem.Bits)
            {
                using QuantizedWeights quantized = QuantizedWeights.Apply(problem.Network, new Dictionary<string, int> { [layer.Name] = bits }, problem.Quantizer);
                (increases[bits], errors[bits]) = BatchQuality.Increase(floating, Evaluate(problem, cancellation), problem.Loss.Reduction);
                progress?.Report(new ProductProgress("measured losses", ++done, total));
            }

            return layer with { Sensitivity = increases, SensitivityStandardError = errors.Values.All(double.IsFinite) ? errors : null };
        });
    }

    private static IReadOnlyList<BatchQuality> Evaluate(SensitivityProblem problem, CancellationToken cancellation) =>
        BatchQuality.Each(problem.Network.Module, problem.Batches, problem.Loss, problem.Ranks, cancellation);
}
