using Curvature.Krylov;
using Curvature.Objectives;
using Curvature.Operators;
using Curvature.Quant.Networks;
using Curvature.Quant.Planning;
using Curvature.Tensors;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// HAWQ-V1 (Dong et al. 2019): the largest eigenvalue of each layer's block of the Hessian over the layer's size, <c>lambda_l / n_l</c>, here times the squared error so that widths can be told
/// apart. <see cref="FineTuningOrder"/> is V1's order of fine-tuning, <c>Omega_l = lambda_l |Q(W_l) - W_l|^2</c> descending. Neither is an increase of the loss (that is at most <c>1/2 lambda |e|^2</c>): they rank.
/// Cost: 10 to 40 products a layer, each with that layer's weight alone.
/// </summary>
public sealed record TopEigenvalueSensitivity : ISensitivity
{
    /// <value>Relative residual at which an eigenvalue will do. Default 1e-2; V1 stops power iteration at 1e-3 of change.</value>
    public double Tolerance { get; init; } = 1e-2;

    /// <value>Seed of the start vectors.</value>
    public int Seed { get; init; }

    /// <inheritdoc/>
    public double? IncreaseFactor => null;

    /// <inheritdoc/>
    public LayerTable Measure(SensitivityProblem problem, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default)
    {
        IReadOnlyList<Eigenvalue> eigenvalues = Eigenvalues(problem, progress, cancellation);
        return problem.Table((layer, l) => layer with
        {
            Sensitivity = problem.ByBits(b => Math.Abs(eigenvalues[l].Value) / layer.Parameters * problem.Errors.Squares[l, b]),
        });
    }

    /// <summary>The eigenvalue of largest magnitude of each layer's block, with its residual.</summary>
    /// <exception cref="CurvatureException">The network cannot be differentiated twice.</exception>
    public IReadOnlyList<Eigenvalue> Eigenvalues(SensitivityProblem problem, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default) => problem.Undisturbed(() =>
    {
        IReadOnlyList<WeightLayer> layers = problem.Network.Layers;
        var found = new List<Eigenvalue>();
        for (int l = 0; l < layers.Count; l++)
        {
            cancellation.ThrowIfCancellationRequested();
            var block = new ParameterSpace([(problem.Network.Weights.Names[l], layers[l].Weight)]);
            using HessianOperator hessian = new(Objective.Supervised(problem.Network.Module, problem.Loss, problem.Batches, block, ranks: problem.Ranks), new CurvatureOptions { Cancellation = cancellation });
            using Eigenpairs pairs = new LanczosEigensolver { Tolerance = Tolerance, Seed = Seed }.Solve(hessian, cancellation: cancellation);
            found.Add(pairs.Values[0]);
            progress?.Report(new ProductProgress("layers' eigenvalues", l + 1, layers.Count));
        }

        return found;
    });

    /// <summary>V1's order of fine-tuning for a plan: layers by <c>Omega_l = lambda_l |Q(W_l) - W_l|^2</c> at their bits, the largest first.</summary>
    /// <param name="table">What <see cref="Measure"/> gave: <c>lambda_l / n_l |e|^2</c> times n_l is Omega.</param>
    /// <param name="bits">Bits by layer.</param>
    /// <exception cref="CurvatureException">A layer of the table has no bits, or bits that the table does not know.</exception>
    public static IReadOnlyList<(string Layer, double Omega)> FineTuningOrder(LayerTable table, IReadOnlyDictionary<string, int> bits) =>
    [
        .. table.Layers.Select(layer => (layer.Name, Omega: bits.TryGetValue(layer.Name, out int width) && layer.SensitivityAt(width) is { } sensitivity
            ? sensitivity * layer.Parameters
            : throw new CurvatureException($"Layer '{layer.Name}' has no sensitivity at {(bits.ContainsKey(layer.Name) ? $"{width} bits" : "the plan's bits, which has none for it")}."))).OrderByDescending(layer => layer.Omega),
    ];
}
