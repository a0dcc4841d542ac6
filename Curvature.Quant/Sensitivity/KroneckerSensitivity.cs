using Curvature.Kronecker;
using Curvature.Operators;
using Curvature.Quant.Planning;
using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Quant.Sensitivity;

/// <summary>
/// The whole quadratic form of each layer with KFAC's block in place of the Hessian's: <c>1/2 e' (G (x) A) e</c>, e the error of the layer's weight (Martens and Grosse 2015 for the blocks). Unlike a
/// trace it sees in which directions the error lies, and no error of sampling. Cost: one pass over the data with a backward pass for each output, and two small matrix products a layer and
/// width. C# models only; a layer that has no Kronecker factors gets what <see cref="KfacFactors"/> has for it, a diagonal.
/// </summary>
public sealed record KroneckerSensitivity : ISensitivity
{
    /// <value>How the blocks are made. Default: exact gradients, no sampling error.</value>
    public KfacOptions Options { get; init; } = new() { Gradients = FactorGradients.Exact };

    /// <inheritdoc/>
    public double? IncreaseFactor => 1;

    /// <inheritdoc/>
    /// <exception cref="CurvatureException">TorchScript, whose layers cannot be recorded; a loss that is not apart from the model.</exception>
    public LayerTable Measure(SensitivityProblem problem, IProgress<ProductProgress>? progress = null, CancellationToken cancellation = default) => problem.Undisturbed(() =>
    {
        if (!problem.Network.SeesModules)
        {
            throw new CurvatureException("Kronecker factors need what the layers see, and TorchScript modules have no hooks. Take the traces of the Hessian or the quadratic forms, which need products only.");
        }

        using KfacOperator kfac = KfacOperator.Of(problem.Objective(), problem.Network.Module, Options, progress, cancellation);
        using IDisposable noGrad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        WeightErrors errors = problem.Errors;
        int layers = errors.Space.Parameters.Count, widths = errors.Bits.Count;
        Tensor all = cat([.. Enumerable.Range(0, layers).Select(errors.Layer)]), product = kfac.Apply(all);
        double[][] forms = [.. Enumerable.Range(0, layers).Select(l =>
        {
            (long from, long count) = (errors.Space.Offset(l), errors.Space.Parameters[l].numel());
            return all.narrow(0, from, count).to(ScalarType.Float64).mul(product.narrow(0, from, count)).sum(dim: 0).cpu().data<double>().ToArray();
        })];
        return problem.Table((layer, l) => layer with { Sensitivity = problem.ByBits(b => 0.5 * forms[l][b]) });
    });
}
