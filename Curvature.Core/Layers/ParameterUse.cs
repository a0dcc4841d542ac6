using TorchSharp;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>
/// One call's contribution to the per-sample gradients of one parameter: linear in the gradient g of the call's output. All positions of a sample
/// (pixels, tokens) are summed here, before anything is squared.
/// </summary>
internal abstract class ParameterUse(long samples, long entries)
{
    /// <summary>Entries that the per-sample gradients of a stretch of samples may take together.</summary>
    private const long Stretch = 1 << 23;

    /// <summary>N; the first dimension of g may hold several positions of each.</summary>
    public long Samples => samples;

    /// <summary>Entries of the parameter.</summary>
    public long Entries => entries;

    /// <summary>Makes, in the caller's scope, what serves the norms of many g; without it each makes its own.</summary>
    public virtual void ExpectNorms()
    {
    }

    /// <summary>The gradients of samples <c>first .. first + count - 1</c>, <c>[count, entries]</c>.</summary>
    /// <param name="g">The gradient of the call's output, a sample a row.</param>
    /// <param name="first">The first sample.</param>
    /// <param name="count">How many.</param>
    public abstract Tensor Gradients(Tensor g, long first, long count);

    /// <summary><c>sum_n |g_n|^2</c> over the samples, a scalar in float64, where there is a shorter way than through the gradients; else null.</summary>
    public virtual Tensor? SquaredNormOf(Tensor g) => null;

    /// <summary><c>sum_n g_n^2</c> entry by entry, <c>[entries]</c>, where there is a shorter way than through the gradients; else null.</summary>
    public virtual Tensor? SquaresOf(Tensor g) => null;

    /// <summary><c>sum_n g_n</c>, <c>[entries]</c>, where there is a shorter way than through the gradients; else null.</summary>
    public virtual Tensor? SumOf(Tensor g) => null;

    /// <summary><c>sum_n |sum_u g_nu|^2</c> for a parameter with uses u, a scalar in float64, in the caller's scope.</summary>
    public static Tensor SquaredNorm(IReadOnlyList<(ParameterUse Use, Tensor G)> uses) =>
        (uses.Count == 1 ? uses[0].Use.SquaredNormOf(uses[0].G) : null) ?? Reduce(uses, gradients => gradients.square().sum().to(ScalarType.Float64));

    /// <summary><c>sum_n (sum_u g_nu)^2</c> entry by entry, <c>[entries]</c>, in the caller's scope.</summary>
    public static Tensor Squares(IReadOnlyList<(ParameterUse Use, Tensor G)> uses) =>
        (uses.Count == 1 ? uses[0].Use.SquaresOf(uses[0].G) : null) ?? Reduce(uses, gradients => gradients.square().sum(dim: 0));

    /// <summary><c>sum_n sum_u g_nu</c>: the gradient, <c>[entries]</c>, in the caller's scope.</summary>
    public static Tensor Sum(IReadOnlyList<(ParameterUse Use, Tensor G)> uses) =>
        (uses.Count == 1 ? uses[0].Use.SumOf(uses[0].G) : null) ?? Reduce(uses, gradients => gradients.sum(dim: 0));

    private static Tensor Reduce(IReadOnlyList<(ParameterUse Use, Tensor G)> uses, Func<Tensor, Tensor> square)
    {
        using DisposeScope scope = NewDisposeScope();
        long samples = uses[0].Use.Samples, stretch = Math.Clamp(Stretch / uses[0].Use.Entries, 1, samples);
        Tensor? sum = null;
        for (long first = 0; first < samples; first += stretch)
        {
            using DisposeScope inner = NewDisposeScope();
            long count = Math.Min(stretch, samples - first);
            Tensor gradients = uses[0].Use.Gradients(uses[0].G, first, count);
            foreach ((ParameterUse use, Tensor g) in uses.Skip(1))
            {
                gradients = gradients.add(use.Gradients(g, first, count));
            }

            Tensor squares = square(gradients);
            sum = sum?.add_(squares) ?? squares.MoveToOuterDisposeScope();
        }

        return sum!.MoveToOuterDisposeScope();
    }
}
