using Curvature.Quant.Calibration;
using Curvature.Quant.Networks;

namespace Curvature.Cli.Work;

/// <summary>How a network does under plans: weights by simulation, and layers' inputs too where they were calibrated.</summary>
/// <param name="work">The network with its loss.</param>
/// <param name="network">Its layers.</param>
/// <param name="activations">Ranges of the layers' inputs; null: they stay in floating point.</param>
/// <param name="inputBits">Bits of the layers' inputs.</param>
/// <param name="cancellation">Looked at before each batch.</param>
internal sealed class PlanTrial(
    Workspace work, QuantizableNetwork network, QuantizedActivations? activations, IReadOnlyDictionary<string, int> inputBits, CancellationToken cancellation)
{
    /// <summary>Loss and accuracy on some samples.</summary>
    /// <param name="bits">Bits by layer; null: all in floating point.</param>
    /// <param name="data">The samples.</param>
    public NetworkQuality Of(IReadOnlyDictionary<string, int>? bits, SampleSet data)
    {
        if (bits is null)
        {
            return work.Quality(data, cancellation);
        }

        using QuantizedWeights weights = QuantizedWeights.Apply(network, bits);
        using QuantizedActivations? inputs = activations;
        inputs?.Apply(inputBits);
        return work.Quality(data, cancellation);
    }
}
