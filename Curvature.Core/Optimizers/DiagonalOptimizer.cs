using Curvature.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Curvature.Optimizers;

/// <summary>
/// Optimizers that scale a running mean of the gradient by an estimated diagonal D of the curvature, refreshed on steps 0, k, 2k, ... The source of D is a parameter. A first loss is looked at once for
/// its second derivative, where the source needs one; a refresh frees its graph in its last product.
/// </summary>
/// <typeparam name="TOptions">Hyperparameters of a group.</typeparam>
public abstract class DiagonalOptimizer<TOptions> : CurvatureOptimizer<TOptions> where TOptions : CurvatureOptimizerOptions, new()
{
    private readonly IDiagonalSource _source;
    private Func<Tensor>? _curvatureLoss;
    private IReadOnlyList<Tensor>[] _probes = [];
    private Tensor?[][] _products = [];

    /// <param name="groups">As for <see cref="CurvatureOptimizer{TOptions}"/>.</param>
    /// <param name="options">As there.</param>
    /// <param name="defaults">As there.</param>
    /// <param name="source">Where D comes from.</param>
    /// <param name="interval">k, unless it is set.</param>
    /// <exception cref="CurvatureException">As there.</exception>
    protected DiagonalOptimizer(IEnumerable<ParamGroup> groups, TOptions? options, TOptions defaults, IDiagonalSource source, int interval) : base(groups, options, defaults) =>
        (_source, UpdateInterval) = (source, interval);

    /// <summary>k, steps from one refresh of the curvature to the next.</summary>
    /// <exception cref="CurvatureException">Below 1.</exception>
    public int UpdateInterval
    {
        get;
        init => field = value > 0 ? value : throw new CurvatureException($"The update interval counts steps, from 1; got {value}.");
    }

    /// <summary>Of the random draws, which depend on it and the step alone.</summary>
    public int Seed { get; init; }

    /// <inheritdoc/>
    protected override bool DifferentiatesTwice => _source.NeedsSecondDerivative;

    private bool Refreshes => Steps % UpdateInterval == 0;

    /// <summary>
    /// One step whose curvature, on the steps that refresh it, is that of another loss: a part of the batch, at a part of the cost. Elsewhere the second function is not called.
    /// </summary>
    /// <param name="loss">As for <see cref="CurvatureOptimizer{TOptions}.Step(Func{Tensor})"/>.</param>
    /// <param name="curvatureLoss">An estimate of the same loss, forward only; tensors made inside are disposed after it.</param>
    /// <returns>The loss before the step, as the first function gave it.</returns>
    /// <exception cref="CurvatureException">As there.</exception>
    public Tensor Step(Func<Tensor> loss, Func<Tensor> curvatureLoss)
    {
        _curvatureLoss = curvatureLoss;
        try
        {
            return Step(loss);
        }
        finally
        {
            _curvatureLoss = null;
        }
    }

    /// <inheritdoc/>
    protected override void Begin()
    {
        int samples = Refreshes ? _source.Samples : 0;
        _probes = [.. Enumerable.Range(0, samples).Select(s => _source.Probe(Parameters, Seed, Steps, s))];
        _products = [.. _probes.Select(_ => new Tensor?[Parameters.Count])];
        if (samples > 0 && _curvatureLoss is { } apart)
        {
            using DisposeScope scope = NewDisposeScope();
            Multiply(Evaluate(() => Pass(apart), part: 0), gradientFollows: false);
        }
    }

    /// <inheritdoc/>
    protected override void SumOverRanks()
    {
        long[] sizes = [.. Parameters.Select(p => p.numel())];
        foreach (Tensor?[] product in _products)
        {
            Tensor all = Flatten(product.Select((own, i) => own ?? zeros_like(Parameters[i].detach())));
            Ranks.Sum(all);
            for (int i = 0; i < product.Length; i++)
            {
                product[i] = Part(all, sizes, i).view(Parameters[i].shape);
            }
        }
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Tensor?> Differentiate(LossPass pass)
    {
        if (_source.NeedsOutputs && pass.Outputs is null)
        {
            throw new CurvatureException($"{GetType().Name}'s curvature needs the model's outputs: call Step(forward, targets, loss), e.g. Step(() => model.call(x), y, new CrossEntropy()).");
        }

        return Refreshes && _curvatureLoss is null ? Multiply(pass, gradientFollows: true) : base.Differentiate(pass);
    }

    /// <inheritdoc/>
    /// <returns>D, the mean over the samples; empty between refreshes. Zeros for a parameter with a gradient and no curvature.</returns>
    protected override IReadOnlyList<Tensor?> Complete(IReadOnlyList<Tensor?> gradient)
    {
        Tensor?[] D = new Tensor?[_products.Length == 0 ? 0 : Parameters.Count];
        for (int i = 0; i < D.Length; i++)
        {
            if (gradient[i] is not { } g)
            {
                continue;
            }

            Tensor?[] samples = [.. _products.Select((p, s) => p[i] is { } product ? _source.Diagonal(product, _probes[s].Count > 0 ? _probes[s][i] : null) : null)];
            D[i] = samples.OfType<Tensor>().Aggregate((Tensor?)null, (sum, d) => sum is null ? d : sum.add(d)) ?? zeros_like(g);
            D[i] = samples.Length > 1 ? D[i]!.div(samples.Length) : D[i];
        }

        (_probes, _products) = ([], []);
        return D;
    }

    /// <summary>Adds the part's products; returns its gradient, where that is asked for.</summary>
    private IReadOnlyList<Tensor?> Multiply(LossPass pass, bool gradientFollows)
    {
        bool twice = _source.NeedsSecondDerivative;
        IReadOnlyList<Tensor?> gradient = twice ? Gradients.Of(pass.Loss, pass.Parameters, createGraph: true) : [];
        LossPass whole = pass with { Gradient = gradient, Seed = Seed };
        for (int s = 0; s < _products.Length; s++)
        {
            using DisposeScope scope = NewDisposeScope();
            Move(_products[s], _source.Product(whole, _probes[s], s, last: s == _products.Length - 1 && (twice || !gradientFollows)));
        }

        return twice || !gradientFollows ? gradient : base.Differentiate(pass);
    }

    /// <summary>Adds products to the sums of the step's scope, two scopes further out.</summary>
    private static void Move(Tensor?[] sums, IReadOnlyList<Tensor?> parts)
    {
        Add(sums, parts);
        for (int i = 0; i < sums.Length; i++)
        {
            _ = parts[i] is null ? null : sums[i]!.MoveToOuterDisposeScope();
        }
    }
}
