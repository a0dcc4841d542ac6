using Curvature.Operators;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// The loss to second order in the quantization errors, for every assignment of widths at once: <c>g . e + 1/2 e' H e</c> with <c>e = sum_l e_l(b_l)</c>, split into a part of each layer and a part
/// <c>e_l' H e_m</c> of each pair (the inter-layer terms of Schaefer et al. 2023). One Hessian-vector product for each layer and width; exact where the loss is quadratic.
/// </summary>
public sealed class QuadraticModel
{
    private readonly double[,] _slope; // [layer, width]
    private readonly double[,,,] _terms; // [layer, width, layer, width]
    private readonly int[] _widths;
    private readonly string[] _names;
    private readonly long[] _parameters;

    private QuadraticModel(IReadOnlyList<int> bits, string[] names, long[] parameters, double[,] slope, double[,,,] terms) =>
        (Bits, _widths, _names, _parameters, _slope, _terms) = (bits, [.. bits], names, parameters, slope, terms);

    /// <summary>The layers' names, in the order of the errors' parameters.</summary>
    public IReadOnlyList<string> Layers => _names;

    /// <summary>The widths.</summary>
    public IReadOnlyList<int> Bits { get; }

    /// <summary>All slopes and terms.</summary>
    /// <param name="errors">Of all the operator's parameters.</param>
    /// <param name="hessian">The Hessian, or another symmetric matrix in its place, over the same parameters.</param>
    /// <param name="gradient"><c>[P]</c>; null: none, as at a minimum, where the slope says more about the sample than about the loss.</param>
    /// <param name="progress">Told after each layer.</param>
    /// <param name="cancellation">Looked at before each layer.</param>
    /// <exception cref="CurvatureException">The operator is not symmetric or of another size.</exception>
    public static QuadraticModel Of(
        WeightErrors errors, LinearOperator hessian, Tensor? gradient = null, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (!hessian.IsSymmetric || hessian.Columns != errors.Space.Count)
        {
            throw new CurvatureException($"Expected a symmetric operator over the {errors.Space.Count} weights, got {hessian.Rows} x {hessian.Columns}{(hessian.IsSymmetric ? "" : ", not symmetric")}.");
        }

        int layers = errors.Space.Parameters.Count, widths = errors.Bits.Count;
        double[,] slope = new double[layers, widths];
        double[,,,] terms = new double[layers, widths, layers, widths];
        using IDisposable noGrad = no_grad();
        for (int l = 0; l < layers; l++)
        {
            cancellation.ThrowIfCancellationRequested();
            using DisposeScope scope = NewDisposeScope();
            Tensor error = zeros([errors.Space.Count, widths], errors.Space.DType, errors.Space.Device);
            error.narrow(0, errors.Space.Offset(l), errors.Space.Parameters[l].numel()).copy_(errors.Layer(l));
            Tensor product = hessian.Apply(error);
            for (int m = 0; m < layers; m++)
            {
                double[] pairs = Products(product.narrow(0, errors.Space.Offset(m), errors.Space.Parameters[m].numel()), errors.Layer(m));
                for (int i = 0; i < pairs.Length; i++)
                {
                    terms[l, i / widths, m, i % widths] = pairs[i];
                }
            }

            if (gradient is not null)
            {
                double[] slopes = Products(gradient.narrow(0, errors.Space.Offset(l), errors.Space.Parameters[l].numel()).unsqueeze(1), errors.Layer(l));
                for (int b = 0; b < widths; b++)
                {
                    slope[l, b] = slopes[b];
                }
            }

            progress?.Report(new ProductProgress("quadratic forms", (l + 1) * widths, layers * widths));
        }

        return new QuadraticModel(errors.Bits, [.. errors.Space.Layers.Select(layer => layer.Name)], [.. errors.Space.Parameters.Select(p => p.numel())], slope, terms);
    }

    /// <summary>Whether <see cref="Increase"/> has an answer for a layer at this width: a known one, or 32 for floating point.</summary>
    public bool Knows(int bits) => bits == QuantizedWeights.Unquantized || Bits.Contains(bits);

    /// <summary>The term <c>e_l' H e_m</c>, without the factor 1/2.</summary>
    public double Term(int layer, int width, int other, int otherWidth) => _terms[layer, width, other, otherWidth];

    /// <summary>The slope <c>g_l . e_l</c>; 0 where the gradient was left out.</summary>
    internal double Slope(int layer, int width) => _slope[layer, width];

    /// <summary>What the loss rises by when each layer l is quantized to <c>bits[l]</c>; one at 32 bits stays in floating point and has no error.</summary>
    /// <exception cref="CurvatureException">Not a known width, or 32, for every layer.</exception>
    public double Increase(IReadOnlyList<int> bits)
    {
        if (bits.Count != _parameters.Length || !bits.All(Knows))
        {
            throw new CurvatureException($"Expected a width among {string.Join(", ", Bits)}, or {QuantizedWeights.Unquantized}, for each of {_parameters.Length} layers, got {string.Join(", ", bits)}.");
        }

        int[] at = [.. bits.Select(b => Array.IndexOf(_widths, b))];
        int[] quantized = [.. Enumerable.Range(0, at.Length).Where(l => at[l] >= 0)];
        double sum = 0;
        foreach (int l in quantized)
        {
            sum += _slope[l, at[l]];
            foreach (int m in quantized)
            {
                sum += 0.5 * _terms[l, at[l], m, at[m]];
            }
        }

        return sum;
    }

    /// <summary>A table with what each layer adds alone, <c>g_l . e_l + 1/2 e_l' H_ll e_l</c>, as its sensitivity.</summary>
    public LayerTable Table() => new()
    {
        Bits = Bits,
        Layers = [.. _names.Select((name, l) => new TableLayer
        {
            Name = name,
            Parameters = _parameters[l],
            Sensitivity = Enumerable.Range(0, Bits.Count).ToDictionary(b => Bits[b], b => _slope[l, b] + (0.5 * _terms[l, b, l, b])),
        })],
    };

    /// <summary><c>A' B</c> in float64, row by row.</summary>
    private static double[] Products(Tensor a, Tensor b)
    {
        using DisposeScope scope = NewDisposeScope();
        return a.to(ScalarType.Float64).t().matmul(b.to(ScalarType.Float64)).reshape(-1).cpu().data<double>().ToArray();
    }
}
