using Curvature.Objectives;
using static TorchSharp.torch;

namespace Curvature.Operators;

/// <summary>
/// The Fisher matrix by Monte Carlo, <c>F = (1/S) sum_i sum_s J_s^T g_si g_si^T J_s + lambda I</c>, <c>[P, P]</c>: for each sample s (a label of cross-entropy, a
/// row of the other losses; <see cref="OutputCurvature"/>) S gradients of the loss at targets drawn from the model's own predictive distribution. Symmetric,
/// positive semi-definite, <c>E[F]</c> = the GGN; the error of an entry falls as <c>1 / sqrt(S M)</c> with M samples. Weights and reductions as for
/// <see cref="GgnOperator"/>.
/// <para>
/// The draws depend on (seed, row of the data, i) alone: a seed fixes the matrix, whatever else draws random numbers, however the data is divided into batches or over ranks, and on any device. The global random
/// state is not touched.
/// </para>
/// <para>
/// Cost of a product: that of the GGN plus S passes over the outputs. Memory: the GGN's and S tensors of the outputs' size.
/// Martens 2020, New Insights and Perspectives on the Natural Gradient Method, section 5.
/// </para>
/// </summary>
public sealed class FisherOperator : CurvatureOperator
{
    private readonly int _samples;
    private readonly int _seed;

    /// <param name="objective">A split objective (<see cref="Objective.IsSplit"/>); stays the caller's.</param>
    /// <param name="samplesPerInput">S, at least 1.</param>
    /// <param name="seed">Of the draws.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="CurvatureException">The objective is not split, or S is below 1.</exception>
    public FisherOperator(Objective objective, int samplesPerInput = 1, int seed = 0, CurvatureOptions? options = null) : base(objective.RequireSplit("The Fisher matrix"), options)
    {
        if (samplesPerInput < 1)
        {
            throw new CurvatureException($"The Fisher matrix takes at least one sample an input; got {samplesPerInput}.");
        }

        (_samples, _seed) = (samplesPerInput, seed);
    }

    /// <inheritdoc/>
    protected override void Prepare()
    {
        Objective.EnsureLinearizable("the Fisher matrix");
        base.Prepare();
    }

    /// <inheritdoc/>
    protected override BatchLinearization Linearize(ObjectiveBatch batch) =>
        OutputSandwich.Of(batch, Parameters, Options.Extensions, curvature => Enumerable.Range(0, _samples).Select(i => Draw(curvature, Objective.RowOf(batch), i)));

    private Tensor Draw(OutputCurvature curvature, long firstRow, int i)
    {
        using SampleNoise noise = SampleNoise.At(_seed, i, firstRow);
        using IDisposable noGrad = no_grad();
        return curvature.SampleGradient(noise).mul_(1 / Math.Sqrt(_samples));
    }
}
