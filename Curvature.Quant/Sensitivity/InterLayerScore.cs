using Curvature.Quant.Planning;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// A layer's own sensitivity plus what it makes worse of other layers, <c>s_l + beta sum_m max(0, Delta_lm)</c>, with <c>Delta_lm = e_l' H e_m</c>, which to second order is what quantizing both adds beyond
/// quantizing each, <c>L_lm - L_l - L_m + L_0</c>. In the manner of Schaefer et al. 2023 (Augmenting Hessians with Inter-Layer Dependencies for Mixed-Precision Post-Training Quantization), whose exact score is not public.
/// </summary>
public static class InterLayerScore
{
    /// <summary>The scores of all layers at one width, in the model's order.</summary>
    /// <param name="own">The layers' own sensitivities as increases of the loss; <see cref="QuadraticModel.Table"/> where nothing better is known.</param>
    /// <param name="model">The terms between layers.</param>
    /// <param name="bits">The width that all are quantized to.</param>
    /// <param name="beta">Weight of the terms. Default 1.</param>
    /// <exception cref="CurvatureException">A layer without a sensitivity, a width that the model does not know, a negative beta.</exception>
    public static IReadOnlyList<(string Layer, double Score)> Of(LayerTable own, QuadraticModel model, int bits, double beta = 1)
    {
        int width = model.Bits.ToList().IndexOf(bits);
        if (width < 0 || !(beta >= 0))
        {
            throw new CurvatureException($"Expected one of the widths {string.Join(", ", model.Bits)} and a weight beta of at least 0, got {bits} bits and {beta}.");
        }

        var alone = own.Layers.ToDictionary(layer => layer.Name, layer => layer.SensitivityAt(bits), StringComparer.Ordinal);
        return [.. model.Layers.Select((name, l) => (name, (alone.GetValueOrDefault(name) ?? throw new CurvatureException($"{own.Name}: layer '{name}' has no sensitivity at {bits} bits."))
            + (beta * Enumerable.Range(0, model.Layers.Count).Where(m => m != l).Sum(m => Math.Max(0, model.Term(l, width, m, width))))))];
    }
}
