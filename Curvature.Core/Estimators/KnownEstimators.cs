using System.Text;

namespace Curvature.Estimators;

/// <summary>Every estimator, for the documentation's table and the tests that hold for all: a new one is one file and one line here or in its kind's catalogue.</summary>
public static class KnownEstimators
{
    private const string Quadrature = "steps x runs products; 8 x steps vectors", Runs = "standard error over the runs, and the quadrature's own";

    /// <summary>All of them, by quantity.</summary>
    public static IReadOnlyList<KnownEstimator> All { get; } =
    [
        .. KnownTraceEstimators.All,
        new("control variate", typeof(ControlVariateTrace), "trace", "square, with an approximation of known trace", "Hammersley, Handscomb 1964",
            "m products; no memory beyond a pass", "standard error of the mean over probes"),
        .. KnownDiagonalEstimators.All,
        new("exact layer traces", typeof(ExactLayerTraces), "trace, per layer", "GGN; Hessian of piecewise-linear networks", "Goodfellow 2015; Dangel, Kunstner, Hennig 2020",
            "a backward pass a class (or a draw); no products", "none; with draws the standard error over them"),
        new("exact ggn diagonal", typeof(GgnDiagonal), "diagonal", "GGN; Hessian of piecewise-linear networks", "Dangel, Kunstner, Hennig 2020",
            "a backward pass a class (or a draw); no products", "none; with draws the standard error of each entry over them"),
        new("product stream", typeof(ProductStream), "trace, per layer; diagonal; Frobenius norm", "square", "Hutchinson 1990; Bekas, Kokiopoulou, Saad 2007",
            "m products for all of it; 2 vectors", "standard errors over the probes; of a difference, paired"),
        new("frobenius", typeof(FrobeniusNorm), "Frobenius norm", "any", "Hutchinson 1990",
            "m products; no memory beyond a pass", "standard error over the probes"),
        new("schatten", typeof(SchattenNorm), "Schatten norms", "any (two products a step where not symmetric)", "Ubaru, Chen, Saad 2017", Quadrature, Runs),
        new("operator norm", typeof(OperatorNorm), "operator norm", "any (two products a step where not symmetric)", "Kuczynski, Wozniakowski 1992",
            "k products; k vectors", "lower bound for certain, upper bound with stated probability"),
        new("slq", typeof(StochasticLanczosQuadrature), "spectral density", "symmetric", "Ghorbani, Krishnan, Xiao 2019",
            "steps x runs products; as many vectors", "standard error over the runs; kernel width stated"),
        new("function trace", typeof(FunctionTrace), "trace of f(A)", "symmetric", "Ubaru, Chen, Saad 2017", Quadrature, Runs),
        new("log-determinant", typeof(LogDeterminant), "log det(A + lambda I)", "positive definite after damping", "Ubaru, Chen, Saad 2017", Quadrature, Runs),
        new("effective dimension", typeof(EffectiveDimension), "tr A (A + gamma I)^-1", "positive definite after damping", "MacKay 1992", Quadrature, Runs),
        new("approximation error", typeof(ApproximationError), "distance of an approximation", "any two of one shape", "Gratton, Titley-Peloquin 2018",
            "q products; no memory beyond a pass", "interval with stated probability for any matrices"),
    ];

    /// <summary>The table of the documentation, in Markdown.</summary>
    public static string ToMarkdown()
    {
        StringBuilder text = new();
        text.Append("| Estimator | Estimates | Of matrices | After | Costs | Error |\n|---|---|---|---|---|---|\n");
        foreach (KnownEstimator e in All)
        {
            text.Append(FormattableString.Invariant($"| `{e.Type.Name}` | {e.Quantity} | {e.Matrices} | {e.Paper} | {e.Cost} | {e.Error} |\n"));
        }

        return text.ToString();
    }
}
