using Curvature.Objectives;
using Curvature.Operators;
using static TorchSharp.torch;

namespace Curvature.Layers;

/// <summary>One pass over the data that pulls a square root of the loss's Hessian, column by column or drawn at random, back to the layers.</summary>
internal sealed class LayerPass
{
    private readonly Objective _objective;
    private readonly PerSampleGradients _gradients;
    private readonly int? _draws;
    private readonly int _seed;

    /// <param name="objective">A split objective.</param>
    /// <param name="model">The model that it evaluates.</param>
    /// <param name="draws">Gradients to draw; null: all columns.</param>
    /// <param name="seed">Of the draws.</param>
    public LayerPass(Objective objective, nn.Module model, int? draws, int seed)
    {
        (_objective, _draws, _seed) = (objective, draws, seed);
        _gradients = new PerSampleGradients(objective, model);
    }

    /// <summary>All modules of the model, with their paths.</summary>
    public IReadOnlyList<(string Name, nn.Module Module)> Modules => _gradients.Modules;

    /// <summary>How often each parameter acts in a batch.</summary>
    public IReadOnlyList<int> Uses => _gradients.Uses;

    /// <summary>Backward passes made over the whole data.</summary>
    public int BackwardPasses { get; private set; }

    /// <summary>What sums over the batches are multiplied by: <c>1 / number of terms</c> for means. Known after the pass.</summary>
    public double Scale { get; private set; }

    /// <summary>Makes the pass over this rank's batches; see <see cref="PerSampleGradients.Visit"/>. What is visited is then summed over the ranks by the caller.</summary>
    public void Run(
        Action<int, int, IReadOnlyList<(ParameterUse Use, Tensor G)>> visit, IProgress<ProductProgress>? progress, CancellationToken cancellation)
    {
        double terms = 0;
        _objective.Together(() => terms = PassOverShard(visit, progress, cancellation), cancellation);
        BackwardPasses = (int)_objective.Ranks.Gather(BackwardPasses).Max();
        Scale = _objective.Reduction == Reduction.Mean ? 1 / _objective.AllTerms(terms) : 1;
    }

    private double PassOverShard(
        Action<int, int, IReadOnlyList<(ParameterUse Use, Tensor G)>> visit, IProgress<ProductProgress>? progress, CancellationToken cancellation)
    {
        _objective.EnsureDifferentiable();
        _objective.EnsureDeterministic();
        double terms = 0;
        int batches = 0;
        foreach (ObjectiveBatch batch in _objective.PassOfShard(cancellation))
        {
            // A batch's mean counts as often as it has terms, and its square root by the root of that; a square is what is summed.
            double weight = _objective.Reduction == Reduction.Mean ? batch.Terms : 1;
            terms += weight;
            _gradients.Visit(batch, weight, curvature => Tangents(curvature, _objective.RowOf(batch)), visit);
            progress?.Report(new ProductProgress("layer traces", ++batches, batches));
        }

        return terms;
    }

    private IEnumerable<Tensor> Tangents(OutputCurvature curvature, long firstRow)
    {
        if (_draws is { } draws)
        {
            BackwardPasses = draws;
            for (int i = 0; i < draws; i++)
            {
                using SampleNoise noise = SampleNoise.At(_seed, i, firstRow);
                yield return curvature.SampleGradient(noise);
            }

            yield break;
        }

        BackwardPasses = Math.Max(BackwardPasses, (int)(curvature.Columns * curvature.Positions));
        for (long position = 0; position < curvature.Positions; position++)
        {
            for (long column = 0; column < curvature.Columns; column++)
            {
                yield return curvature.RootColumn(column, position);
            }
        }
    }
}
