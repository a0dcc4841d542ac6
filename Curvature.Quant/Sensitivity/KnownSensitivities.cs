using System.Text;

namespace Curvature.Quant.Sensitivity;

/// <summary>The catalogue of sensitivities by name. A new one is one file and one line here.</summary>
public static class KnownSensitivities
{
    private static readonly (KnownSensitivity About, Func<SensitivityOptions, ISensitivity> Make)[] Entries =
    [
        (new("hessian", typeof(EstimatedTraceSensitivity), "`tr(H_l) / n_l · ‖e‖²`, the trace estimated", "Dong et al. 2020 (HAWQ-V2)", "64 products, all layers together", false),
            o => new EstimatedTraceSensitivity { Probes = o.Probes, Seed = o.Seed }),
        (new("exact", typeof(ExactTraceSensitivity), "the same with exact Gauss-Newton traces", "Dangel, Kunstner, Hennig 2020", "a backward pass an output", true),
            _ => new ExactTraceSensitivity()),
        (new("empirical-fisher", typeof(EstimatedTraceSensitivity), "`tr(F_l) / n_l · ‖e‖²` with the gradients at the targets observed", "", "64 products, all layers together", false),
            o => new EstimatedTraceSensitivity { Matrix = "empirical-fisher", Probes = o.Probes, Seed = o.Seed }),
        (new("kfac", typeof(KroneckerSensitivity), "`½ eᵀ (G_l ⊗ A_l) e`", "Martens, Grosse 2015", "a backward pass an output", true),
            _ => new KroneckerSensitivity()),
        (new("quadratic", typeof(QuadraticSensitivity), "`½ eᵀ H_l e`", "", "L B products", false),
            _ => new QuadraticSensitivity()),
        (new("top-eigenvalue", typeof(TopEigenvalueSensitivity), "`λ_max(H_l) / n_l · ‖e‖²`", "Dong et al. 2019 (HAWQ)", "10 to 40 products of a layer's block, L times", false),
            o => new TopEigenvalueSensitivity { Seed = o.Seed }),
        (new("measured", typeof(MeasuredSensitivity), "the loss with layer l alone quantized, minus the loss", "", "L B forward passes", false),
            _ => new MeasuredSensitivity()),
        (new("error", typeof(ErrorSensitivity), "`‖e‖²`", "", "none", false),
            _ => new ErrorSensitivity()),
        (new("magnitude", typeof(MagnitudeSensitivity), "`‖W_l‖² / n_l · ‖e‖²`", "", "none", false),
            _ => new MagnitudeSensitivity()),
    ];

    /// <summary>Every sensitivity, in the order of the documentation.</summary>
    public static IReadOnlyList<KnownSensitivity> All { get; } = [.. Entries.Select(e => e.About)];

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Entries.Select(e => e.About.Name)];

    /// <summary>The sensitivity of that name.</summary>
    /// <exception cref="CurvatureException">There is none.</exception>
    public static ISensitivity Create(string name, SensitivityOptions? options = null) =>
        Array.Find(Entries, e => e.About.Name == name).Make is { } make
            ? make(options ?? new SensitivityOptions())
            : throw new CurvatureException($"There is no sensitivity '{name}'. Known: {string.Join(", ", Names)}.");

    /// <summary>The table of the documentation, in Markdown.</summary>
    public static string ToMarkdown()
    {
        var text = new StringBuilder("| By name | Sensitivity of layer l | After | Cost | Foretells the loss |\n|---|---|---|---|---|\n");
        foreach (KnownSensitivity s in All)
        {
            string factor = Create(s.Name).IncreaseFactor switch { 1 => "yes", 0.5 => "times ½", _ => "no, it ranks" };
            text.Append(FormattableString.Invariant($"| `{s.Name}` | {s.Formula} | {s.Source} | {s.Cost}{(s.NeedsModules ? "; C# models" : "")} | {factor} |\n"));
        }

        return text.ToString();
    }
}
