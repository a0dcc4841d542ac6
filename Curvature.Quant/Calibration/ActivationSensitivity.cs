using Curvature.Estimators;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Quant.Quantizers;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Calibration;

/// <summary>
/// HAWQ-V2's sensitivity of activations (Dong et al. 2020, section 3.3): for each layer's input a, of n entries a sample, the trace of the loss's Hessian in a on average over samples and entries, times the squared error of
/// quantizing it, <c>mean_x tr H_a(x) / n  *  mean_x |Q(a(x)) - a(x)|^2</c>. As there the factor 1/2 of the expansion and its slope are left out; the slope of one sample's loss in its activations is not 0 at a minimum, so that what is measured
/// (<see cref="MeasuredIncrease"/> over layers whose weights stay in floating point) can differ. In the table a layer's size is n, so that limits on size are limits on the memory of one sample's inputs. Departure: activations are
/// layers' inputs, which is what is quantized here, and not outputs; a tensor that several layers read counts for each.
/// <para>
/// Cost: a forward pass for the errors, and for each layer the estimator's products with <see cref="ActivationHessianOperator"/>, each at most a Hessian-vector product of the network. Standard errors are the estimator's, over its probes, not over the data.
/// </para>
/// </summary>
public sealed record ActivationSensitivity
{
    /// <value>Of the traces. Hutchinson with 16 probes: HAWQ-V2's takes up to 50.</value>
    public ITraceEstimator Estimator { get; init; } = new HutchinsonTrace { MaxProbes = 16, MinProbes = 2 };

    /// <value>Those who share the layers (a layer's operator needs all samples), and for the errors the batches: each measures some, and every rank has the table. One process.</value>
    public IRanks Ranks { get; init; } = OneRank.Instance;

    /// <value>How the operators keep graphs; null for the defaults.</value>
    public CurvatureOptions? Options { get; init; }

    /// <summary>A table of the layers whose inputs have ranges.</summary>
    /// <param name="network">The network in floating point; in evaluation mode while it is looked at, and then in the mode it was in.</param>
    /// <param name="objective">A mean over the samples of <paramref name="inputs"/>, evaluated by the same network.</param>
    /// <param name="inputs">The same samples, in batches.</param>
    /// <param name="activations">Their ranges.</param>
    /// <param name="bits">Widths, 2 to 8.</param>
    /// <param name="progress">Told after each layer, how many this rank has done.</param>
    /// <param name="cancellation">Looked at before each batch and product.</param>
    /// <exception cref="CurvatureException">An objective that is a sum or over other samples, a layer that is called several times a batch, a model that owns a weight itself.</exception>
    public LayerTable Table(
        QuantizableNetwork network,
        Objective objective,
        IReadOnlyList<Tensor> inputs,
        QuantizedActivations activations,
        IReadOnlyList<int> bits,
        IProgress<int>? progress = null,
        CancellationToken cancellation = default)
    {
        if (objective.Reduction != Reduction.Mean)
        {
            throw new CurvatureException("Expected an objective that is a mean over samples: a sum's Hessian in the activations grows with their number. Use the mean-reduced loss.");
        }

        if (network.SeesModules && network.Layers.Any(layer => ReferenceEquals(layer.Module, network.Module)))
        {
            throw new CurvatureException($"The model {network.Module.GetType().Name} owns a weight itself, so that the layer has no path to find it by. Put it into nn.Sequential((\"layer\", model)).");
        }

        using var evaluation = new EvaluationMode(network.Module);
        long samples = inputs.Sum(batch => batch.shape[0]);
        Dictionary<string, double[]> errors = SquaredErrors(network, inputs, activations, bits, cancellation);
        WeightLayer[] layers = [.. network.Layers.Where(layer => errors.ContainsKey(layer.Name))];
        double[] traces = new double[2 * layers.Length];
        int done = 0;
        Ranks.Together(() =>
        {
            for (int l = Ranks.Rank; l < layers.Length; l += Ranks.Count)
            {
                Estimate trace = Trace(layers[l], network.Module, objective, activations.Values(layers[l].Name), samples, cancellation);
                (traces[2 * l], traces[(2 * l) + 1]) = (trace.Value, trace.StandardError);
                progress?.Report(++done);
            }
        });
        if (Ranks.Count > 1)
        {
            using Tensor sum = tensor(traces);
            Ranks.Sum(sum);
            traces = sum.data<double>().ToArray();
        }

        return new LayerTable
        {
            Bits = bits,
            Layers = [.. layers.Select((layer, l) =>
            {
                long each = activations.Values(layer.Name);
                return new TableLayer
                {
                    Name = layer.Name,
                    Parameters = each,
                    Macs = layer.Macs,
                    AverageTrace = traces[2 * l] / each,
                    TraceStandardError = traces[(2 * l) + 1] / each is > 0 and var error && double.IsFinite(error) ? error : null,
                    Error = bits.Zip(errors[layer.Name]).ToDictionary(pair => pair.First, pair => pair.Second / samples),
                };
            })],
        };
    }

    private Estimate Trace(WeightLayer layer, nn.Module module, Objective objective, long each, long samples, CancellationToken cancellation)
    {
        using var hessian = new ActivationHessianOperator(objective, module, layer.Name, Options, LayerSide.Input);
        return hessian.Columns == each * samples
            ? Estimator.Estimate(hessian, cancellation: cancellation).Total
            : throw new CurvatureException($"Layer '{layer.Name}': the objective sees {hessian.Columns / each} samples, the inputs have {samples}. Give the same data for both.");
    }

    /// <summary><c>|Q(a) - a|^2</c> of each layer's input at each width, summed over all samples in float64.</summary>
    private Dictionary<string, double[]> SquaredErrors(
        QuantizableNetwork network, IReadOnlyList<Tensor> inputs, QuantizedActivations activations, IReadOnlyList<int> bits, CancellationToken cancellation)
    {
        var sums = new Dictionary<string, Tensor[]>(StringComparer.Ordinal);
        WeightLayer[] layers = [.. QuantizedActivations.Hookable(network).Where(layer => activations.Has(layer.Name))];
        try
        {
            CalibrationPass.Run(
                network,
                layers,
                (layer, input) =>
                {
                    if (!sums.TryGetValue(layer.Name, out Tensor[]? sum))
                    {
                        sums[layer.Name] = sum = [.. bits.Select(_ => zeros(1, ScalarType.Float64, input.device).DetachFromDisposeScope())];
                    }

                    foreach ((int width, Tensor total) in bits.Zip(sum))
                    {
                        AffineCodes grid = activations.Grid(layer.Name, width);
                        total.add_(SimulatedQuantization.Of(input, grid).sub(input).square().sum(ScalarType.Float64));
                    }

                    return null;
                },
                RankShare.Of(inputs, Ranks),
                Ranks,
                cancellation);
            double[] seen = [.. layers.SelectMany(layer => sums.TryGetValue(layer.Name, out Tensor[]? own) ? own.Select(sum => sum.ToDouble()).Prepend(1) : new double[bits.Count + 1])];
            using Tensor all = tensor(seen);
            Ranks.Sum(all); // of each layer the ranks that have seen it, and its errors
            return layers.Zip(all.data<double>().ToArray().Chunk(bits.Count + 1))
                .Where(layer => layer.Second[0] > 0)
                .ToDictionary(layer => layer.First.Name, layer => layer.Second[1..], StringComparer.Ordinal);
        }
        finally
        {
            foreach (Tensor sum in sums.Values.SelectMany(sum => sum))
            {
                sum.Dispose();
            }
        }
    }
}
